"""The main job, end to end, with real servers and real load, as small as it gets."""

import functools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bench import database
from bench.session import HOME, Session, recover
from tests.stacks.conftest import BENCH, ROOT

Bench = Callable[..., subprocess.CompletedProcess[str]]


def _only_run(results: Path) -> Path:
    (run,) = [path for path in results.iterdir() if path.is_dir() and not path.is_symlink()]
    return run


def _trials(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]


def test_a_run_measures_stores_and_reports(bench: Bench, tmp_path: Path) -> None:
    done = bench(
        "run", "--profile", "smoke", "--stacks", "tornado/single/direct,flask/gunicorn-sync/nginx",
        "--scenarios", "plaintext,db", "--seed", "3", "--results", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    run = _only_run(tmp_path)
    assert (tmp_path / "latest").resolve() == run
    header, trials = json.loads((run / "run.json").read_text()), _trials(run)
    assert header["status"] == "finished"
    assert {one["status"] for one in header["verified"].values()} == {"passed"}
    assert {(trial["stack"], trial["scenario"], trial["view"]) for trial in trials} == {
        (stack, scenario, view)
        for stack in ("tornado/single/direct", "flask/gunicorn-sync/nginx")
        for scenario in ("plaintext", "db")
        for view in ("capacity", "latency")
    }
    for trial in trials:
        assert trial["status"] == "measured", trial["reason"]
        assert trial["errors"] == {}
        assert trial["requests"] > 0
        assert trial["cpu_s"]["app"] > 0
        assert (trial["cpu_s"]["front"] is None) == (trial["stack"] == "tornado/single/direct")
    database = {(t["stack"], t["view"]): t["cpu_s"]["database"] for t in trials if t["scenario"] == "db"}
    assert all(seconds > 0 for seconds in database.values()), "the database's time is charged to whom it served"
    page = (run / "report" / "index.html").read_text()
    assert "tornado/single/direct" in page
    assert "flask/gunicorn-sync/nginx" in page
    assert done.stdout.rstrip().endswith("report/index.html"), "the report's path comes last"
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 80


def test_a_stack_that_cannot_start_fails_alone(bench: Bench, tmp_path: Path) -> None:
    """nginx is not there: what needs it fails with that reason, the rest is measured, and the exit code tells."""
    done = bench(
        "run", "--profile", "smoke", "--stacks", "tornado/single/direct,tornado/single/nginx", "--scenarios", "plaintext",
        "--results", str(tmp_path), FORKLOOP_NGINX=str(tmp_path / "no-nginx"),
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    by_stack = {str(trial["stack"]): trial for trial in _trials(_only_run(tmp_path)) if trial["view"] == "capacity"}
    assert by_stack["tornado/single/direct"]["status"] == "measured"
    failed = by_stack["tornado/single/nginx"]
    assert failed["status"] == "failed"
    assert failed["requests"] is None
    assert "nginx" in str(failed["reason"])


def test_a_run_that_is_killed_outright_leaves_nothing_after_the_next_command(tmp_path: Path) -> None:
    command = [BENCH, "run", "--profile", "smoke", "--stacks", "flask/gunicorn-sync/nginx", "--scenarios", "plaintext"]
    run = subprocess.Popen(
        [*command, "--results", str(tmp_path)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    state = None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (state is None or len(state["processes"]) < 3):
        state = _record_of(run.pid)
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert state is not None
    assert len(state["processes"]) >= 3, "database, server and front were up"
    alive = [psutil.Process(pid) for pid, _ in state["processes"] if psutil.pid_exists(pid)]
    assert alive
    # Whether this one does it, or one of a test beside this.
    subprocess.run([BENCH, "clean"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []
    assert not Path(state["scratch"]).exists()
    assert not [said for said in recover() if state["id"] in said]
    assert not (HOME / f"{state['id']}.json").exists()


def _record_of(pid: int) -> dict[str, Any] | None:
    """What the command with that process id has written down of what it started."""
    children = {child.pid for child in psutil.Process(pid).children()}
    for path in HOME.glob("*.json"):
        with suppress(OSError, ValueError):  # those of others come and go
            state: dict[str, Any] = json.loads(path.read_text())
            if children & {child for child, _ in state["processes"]}:
                return state
    return None


def test_sigterm_ends_everything_and_keeps_the_run_readable(tmp_path: Path) -> None:
    command = [BENCH, "run", "--profile", "smoke", "--stacks", "tornado/single/direct", "--scenarios", "plaintext,json"]
    run = subprocess.Popen(
        [*command, "--results", str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 90
    stored: list[dict[str, object]] = []
    while time.monotonic() < deadline and not stored:
        time.sleep(0.1)
        stored = [trial for path in tmp_path.glob("2*/trials.jsonl") for trial in _trials(path.parent)]
    children = psutil.Process(run.pid).children(recursive=True)
    run.terminate()
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
    folder = _only_run(tmp_path)
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert len(_trials(folder)) >= 1, "finished trials are kept"
    assert (folder / "report" / "index.html").exists()


def test_the_other_defaults_keep_the_contract(bench: Bench) -> None:
    """Those that the first test has not verified; `.ci/run` verifies all core stacks."""
    done = bench("verify", "django/gunicorn-sync/nginx", "aiohttp/multi/nginx", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) == 2
    assert {one["status"] for one in answers.values()} == {"passed"}


def test_verify_names_what_a_foreign_server_breaks(bench: Bench, tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"], cwd=tmp_path, env={"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split(" port ")[1].split()[0]
        done = bench("verify", "--url", f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()
    assert done.returncode == 1
    assert "json" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_users_database_is_used_kept_to_our_schema_and_cleaned_on_request(bench: Bench) -> None:
    with Session() as session:
        spawn = functools.partial(session.spawn, stop_signal=database.STOP_SIGNAL)
        theirs = database.start(session.scratch, spawn=spawn, log_path=session.scratch / "postgresql.log")
        with psycopg.connect(theirs.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE public.precious AS SELECT 1 AS one")
            done = bench("verify", "flask/gunicorn-sync/direct", DATABASE_URL=theirs.url)
            assert done.returncode == 0, done.stdout + done.stderr
            assert connection.execute("SELECT count(*) FROM forkloop.world").fetchone() == (10_000,)
            cleaned = bench("clean", DATABASE_URL=theirs.url)
            assert "dropped the schema forkloop" in cleaned.stdout
            schemas = {row[0] for row in connection.execute("SELECT nspname FROM pg_namespace").fetchall()}
            assert "forkloop" not in schemas
            assert connection.execute("SELECT one FROM public.precious").fetchone() == (1,)
            connection.execute("CREATE SCHEMA forkloop CREATE TABLE world (id integer)")
            refused = bench("verify", "flask/gunicorn-sync/direct", DATABASE_URL=theirs.url)
            assert refused.returncode == 2
            assert len(refused.stderr.strip().splitlines()) == 1
            assert "marker" in refused.stderr
            assert connection.execute("SELECT count(*) FROM forkloop.world").fetchone() == (0,)
