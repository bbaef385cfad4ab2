"""The command: every mistake of the user's is one clear line on standard error and exit code 2."""

import errno
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench import (
    catalog,
    check,
    cli,
    database,
    environments,
    locking,
    request,
    run,
    service,
    session,
    trust,
    viewer,
)
from bench.environments import Prepared
from bench.machine import Topology
from bench.model import BenchError
from bench.plan import Plan
from bench.store import RunStore


@dataclass(frozen=True, kw_only=True)
class Done:
    code: object
    out: str
    err: str


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Done]:
    """Call the command in this process; nothing is set up or run, and sessions of others are left alone."""

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("this was not to be run")

    for module, name in (
        (run, "execute"),
        (run, "write_report"),
        (check, "stacks"),
        (check, "serve"),
        (check, "one_url"),
    ):
        monkeypatch.setattr(module, name, never)
    monkeypatch.setattr(session, "stop_on_signals", lambda: None)
    monkeypatch.setattr(session, "recover", list)
    monkeypatch.setattr(environments, "prepare", lambda *_: Prepared(made=0, absent={}))
    monkeypatch.setattr(environments, "prepare_programs", lambda say: None)
    monkeypatch.delenv("DATABASE_URL", raising=False)

    app = cli.base.app

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        monkeypatch.setattr(cli.base, "app", app)  # under pytest it does not like to read sys.argv
        monkeypatch.setattr(cli.base, "console", cli.base.Console(highlight=False, width=80, force_terminal=False))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return Done(code=ended.value.code, out=out, err=err)

    return call


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "--profile", "quik"), "unknown profile 'quik'. Did you mean quick?"),
        (("run", "--stacks", "flask/gunicorn-snyc/nginx"), "unknown server 'gunicorn-snyc'. Did you mean gunicorn-sync"),
        (("run", "--stacks", "flsk/gunicorn-sync/nginx"), "unknown app 'flsk'. Did you mean flask?"),
        (("run", "--stacks", "defualt"), "unknown stack or tag 'defualt'. Did you mean default"),
        (("run", "--stacks", "hapi/*"), "no stack matches 'hapi/*'; `bench list` prints them all"),
        (("run", "--stacks", "default", "nope/x"), "unknown stack or tag 'nope/x'."),
        (("run", "--scenarios", "plaintext,fortuens"), "unknown scenario 'fortuens'. Did you mean fortunes"),
        (("verify", "flask/gunicorn-sync+worker=2/nginx"), "has no option 'worker'. Did you mean workers?"),
        (("verify", "flask", "--url", "http://127.0.0.1:1"), "give stacks or --url, not both"),
        (("serve", "tornado/multi/direct"), "multi listens on several addresses, direct takes one"),
        (("report", "20260101-000000-abcd", "--results", "/nonexistent"), "no run '20260101-000000-abcd' in /nonexistent"),
        (("report", "--results", "/nonexistent"), "/nonexistent holds no run yet; `make bench` makes one"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_clear_line_and_exit_code_2(
    bench: Callable[..., Done], arguments: tuple[str, ...], expected: str
) -> None:
    done = bench(*arguments)
    assert done.code == 2
    assert done.err.startswith("bench: ")
    assert done.err.count("\n") == 1
    assert expected in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "--profil", "quick"), "--profile"),
        (("run", "--seed", "many"), "seed"),
        (("rnu",), "rnu"),
        (("serve",), "STACK"),
        (("serve", "a/b/c", "--port", "x"), "port"),
    ],
)
def test_a_call_that_cannot_be_read_is_exit_code_2(
    bench: Callable[..., Done], arguments: tuple[str, ...], expected: str
) -> None:
    done = bench(*arguments)
    assert done.code == 2
    assert expected in done.out + done.err
    assert "Traceback" not in done.out + done.err


def test_a_mistake_has_no_traceback_in_a_process_of_its_own_either() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from bench.cli import main; main()", "verify", "flask/gunicorn-snyc/nginx"],
        capture_output=True, text=True, check=False, cwd=catalog.ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(
        "bench: stack 'flask/gunicorn-snyc/nginx': unknown server 'gunicorn-snyc'. Did you mean"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "bench: interrupted; nothing is left running\n"),
        (BrokenPipeError(), 1, ""),
        (BenchError("no space"), 2, "bench: no space\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "results/run/log"),
            2,
            "bench: results/run/log: cannot be written: No space left on device; what was finished is kept\n",
        ),
    ],
)
def test_exit_codes_of_what_ends_early(
    bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, failure: BaseException, code: int, said: str
) -> None:
    def fail() -> None:
        raise failure

    monkeypatch.setattr(catalog, "load", fail)
    done = bench("list")
    assert (done.code, done.err) == (code, said)


# list


def test_the_list_as_json(bench: Callable[..., Done]) -> None:
    done = bench("list", "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert found.keys() == {"stacks", "scenarios", "skipped"}
    for stack in found["stacks"]:
        assert stack.keys() == {"id", "app", "server", "front", "tags"}
        assert stack["id"].split("/") == [stack["id"].split("/")[0], stack["server"], stack["front"]]
    by_id = {stack["id"]: stack for stack in found["stacks"]}
    assert len(found["stacks"]) == len(by_id) >= 45, "of all that fit together, each once"
    assert {"core", "default", "full"} <= set(by_id["flask/gunicorn-sync/nginx"]["tags"])
    assert all(scenario.keys() == {"name", "title", "needs"} for scenario in found["scenarios"])
    assert {"db", "fortunes", "json", "plaintext"} <= {scenario["name"] for scenario in found["scenarios"]}
    assert all(skipped.keys() == {"id", "reason"} and skipped["reason"] for skipped in found["skipped"])


def test_the_list_for_people(bench: Callable[..., Done]) -> None:
    done = bench("list")
    assert done.code == 0
    lines = done.out.splitlines()
    assert any(line.split() == ["flask/gunicorn-sync/nginx", "default", "core"] for line in lines)
    assert any(line.split() == ["django/runserver/direct", "core", "dev"] for line in lines)
    assert "multi listens on several addresses, direct takes one" in done.out
    assert max(map(len, lines)) <= 80


# run


@pytest.fixture
def job(bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """In the place of the main job: keeps the plan it was given, leaves `trials`, and may be interrupted."""
    seen: dict[str, Any] = {"trials": [], "raises": None, "reported": True}

    def execute(plan: Plan, *, results: Path, command: str, progress: Any, outcome: run.Outcome, **how: Any) -> None:
        seen.update(plan=plan, results=results, command=command, **how)
        outcome.folder = seen.get("folder", results / "20260101-000000-abcd")
        outcome.trials.extend(seen["trials"])
        if "between" in seen:
            seen["between"](how["after_block"])
        if seen["raises"]:
            raise seen["raises"]

    monkeypatch.setattr(run, "execute", execute)
    monkeypatch.setattr(
        run, "write_report", lambda folder, say, **how: seen.update(report=folder, **how) or seen["reported"]
    )
    monkeypatch.chdir(tmp_path)
    return seen


def trial(**changes: Any) -> dict[str, Any]:
    return {
        "block": 0, "stack": "flask/gunicorn-sync/nginx", "scenario": "json", "view": "capacity", "status": "measured", "requests": 2000,
        "seconds": 2.0, "flags": [], **changes,
    }  # fmt: skip


def test_a_run_plans_what_was_asked_for_and_names_the_report_last(
    bench: Callable[..., Done], job: dict[str, Any], tmp_path: Path
) -> None:
    job["trials"] = [trial(), trial(view="latency", flags=["errors"])]
    done = bench(
        "run", "--profile", "quick", "--stacks", "flask/gunicorn-sync/nginx", "tornado/*", "--stacks", "aiohttp/single/direct",
        "--scenarios", "fortunes,json", "--seed", "7", "--results", str(tmp_path / "out"),
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    made = job["plan"]
    assert made.seed == 7
    ids = [planned.stack.id for planned in made.stacks]
    assert ids[0] == "flask/gunicorn-sync/nginx"
    assert ids[-1] == "aiohttp/single/direct"
    assert "tornado/multi/nginx" in ids
    assert [scenario.name for scenario in made.scenarios] == ["json", "fortunes"]
    assert job["results"] == tmp_path / "out"
    assert job["command"].startswith("bench run --profile quick --stacks flask/gunicorn-sync/nginx 'tornado/*'")
    lines = done.out.splitlines()
    assert "seed 7; about " in done.out
    assert any(line.split() == ["flask/gunicorn-sync/nginx", "1,000", "-"] for line in lines)
    assert any(line.startswith("2 trials: 0 failed, 0 skipped, 1 flagged") for line in lines)
    assert "1 of the 6 blocks that intervals take: these figures rank nothing." in lines
    assert lines[-1] == "report: out/20260101-000000-abcd/report/index.html"


def test_a_run_for_a_program_prints_one_object_and_tells_the_rest_apart(
    bench: Callable[..., Done], job: dict[str, Any], tmp_path: Path
) -> None:
    job["trials"] = [trial(), trial(view="latency", flags=["errors"]), trial(status="failed", requests=None)]
    stored = RunStore.create(tmp_path / "out", {"profile": "quick"})
    job["folder"] = stored.folder
    done = bench("run", "--profile", "quick", "--json", "--lang", "zh", "--results", str(tmp_path / "out"))
    found = json.loads(done.out)
    assert done.code == 1
    assert (found["schema"], found["run_id"], found["status"]) == (1, stored.run_id, "running")
    assert found["report"] == f"out/{stored.run_id}/report/index.html"
    assert found["trials"] == {"total": 3, "measured": 2, "failed": 1, "skipped": 0, "flagged": 1}
    assert "3 trials: 1 failed, 0 skipped, 1 flagged" in done.err
    assert job["language"] == "zh"


def test_a_quiet_run_says_only_where_its_report_is(bench: Callable[..., Done], job: dict[str, Any]) -> None:
    job["trials"] = [trial()]
    done = bench("run", "--profile", "quick", "--quiet", "--results", "out")
    assert (done.code, done.out, done.err) == (0, "out/20260101-000000-abcd/report/index.html\n", "")


def test_a_live_run_is_served_and_reported_on_after_each_block(
    bench: Callable[..., Done], job: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job["trials"] = [trial()]
    shown: list[viewer.Viewer] = []
    seen: list[tuple[object, str]] = []

    class Kept(viewer.Viewer):
        def __init__(self, root: Path) -> None:
            super().__init__(root)
            shown.append(self)

    def between(after_block: Callable[[Path], None]) -> None:
        page = tmp_path / "out" / "latest" / "report" / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text("<p>so far</p>")
        after_block(tmp_path / "block")
        with urllib.request.urlopen(f"{shown[0].url()}latest/report/index.html") as answer:
            seen.append((job["report"], answer.read().decode()))

    monkeypatch.setattr(viewer, "Viewer", Kept)
    monkeypatch.setattr(viewer, "REFRESH_S", -3)
    job["between"] = between
    done = bench("run", "--profile", "quick", "--live", "--results", "out")
    assert done.code == 0
    assert seen == [(tmp_path / "block", "<p>so far</p>")]
    assert re.search(r"^live: http://127\.0\.0\.1:\d+/latest/report/index\.html$", done.out, re.MULTILINE)


def test_a_language_that_the_report_does_not_speak_is_told_at_once(bench: Callable[..., Done]) -> None:
    done = bench("run", "--lang", "fr")
    assert (done.code, done.out) == (2, "")
    assert done.err == "bench: --lang fr: the report does not speak it; choose one of en, zh\n"


def test_a_sweep_runs_each_stack_over_the_values_and_names_what_cannot_be_swept(
    bench: Callable[..., Done], job: dict[str, Any]
) -> None:
    job["trials"] = [trial()]
    done = bench(
        "run", "--profile", "quick", "--stacks", "flask/gunicorn-sync/nginx", "aiohttp/single/direct", "--scenarios", "db",
        "--sweep", "workers=1,4", "connections=16",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    ids = [planned.stack.id for planned in job["plan"].stacks]
    assert ids == ["flask/gunicorn-sync+workers=1/nginx", "flask/gunicorn-sync+workers=4/nginx"]
    assert [planned.workers for planned in job["plan"].stacks] == [1, 4]
    assert [one.connections for one in job["plan"].scenarios] == [16]
    assert "left out: aiohttp/single/direct: single/direct has no option workers to sweep over" in done.out.splitlines()


def test_a_stack_that_needs_too_many_database_connections_is_left_out_and_the_rest_goes_on(
    bench: Callable[..., Done], job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job["trials"] = [trial()]
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db/x")
    monkeypatch.setattr(service.observe, "max_connections", lambda _: 50)
    names = ("flask/gunicorn-sync/nginx", "flask/gunicorn-sync+workers=41/nginx")
    done = bench("run", "--profile", "quick", "--stacks", *names, "--scenarios", "json")
    assert (done.code, done.err) == (0, "")
    assert [planned.stack.id for planned in job["plan"].stacks] == [names[0]]
    assert any("DATABASE_URL runs where its owner put it" in note for note in job["plan"].notes)
    assert any(
        line.startswith(f"left out: {names[1]}: needs 51 database connections") for line in done.out.splitlines()
    )


def test_a_context_is_for_containers(
    bench: Callable[..., Done], job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.setenv(name, "before")
    for command in (("run", "--profile", "quick"), ("verify", "flask/gunicorn-sync/nginx")):
        done = bench(*command, "--context", "lab")
        assert done.code == 2
        assert done.err == "bench: --context lab: is for containers; add --mode compose, or leave it out\n"
    assert os.environ["DOCKER_CONTEXT"] == "before"
    asked: list[str] = []
    monkeypatch.setattr(
        request,
        "machine_of",
        lambda mode: asked.append(os.environ["DOCKER_CONTEXT"]) or (Topology(cores=((0,), (1,))), {}),
    )
    job["trials"] = [trial()]
    assert bench("run", "--profile", "quick", "--mode", "compose", "--context", "lab").code == 0
    assert asked == ["lab"], "the CPUs are those of the engine's machine"
    assert "DOCKER_HOST" not in os.environ, "it would go before the context"


def test_the_profile_says_what_is_left_out(bench: Callable[..., Done], job: dict[str, Any]) -> None:
    job["trials"] = [trial()]
    assert bench("run", "--profile", "quick").code == 0
    made = job["plan"]
    assert {planned.stack.id for planned in made.stacks} == {
        stack.id for stack in catalog.load().stacks.values() if "default" in stack.tags
    }
    assert [scenario.name for scenario in made.scenarios] == ["plaintext", "json", "db", "fortunes"]
    seeds = {made.seed}
    for _ in range(3):
        bench("run", "--profile", "quick")
        seeds.add(job["plan"].seed)
    assert len(seeds) > 1


def test_standard_is_what_is_run_without_a_word_and_has_intervals(
    bench: Callable[..., Done], job: dict[str, Any]
) -> None:
    job["trials"] = [{**trial(), "block": block} for block in range(6)]
    done = bench("run")
    assert job["plan"].profile.name == "standard"
    assert job["results"] == cli.base.RESULTS
    assert "these figures rank nothing" not in done.out
    assert "6 blocks x 2 copies" in done.out
    job["trials"] = job["trials"][1:]  # it is the blocks there are that count, not those that were planned
    assert "5 of the 6 blocks that intervals take: these figures rank nothing." in bench("run").out


def test_a_failed_trial_is_exit_code_1(bench: Callable[..., Done], job: dict[str, Any]) -> None:
    job["trials"] = [trial(), trial(status="failed", requests=None, seconds=None), trial(status="skipped")]
    done = bench("run", "--profile", "quick")
    assert done.code == 1
    assert "3 trials: 1 failed, 1 skipped, 0 flagged" in done.out


def test_a_report_that_cannot_be_made_is_exit_code_1_and_the_results_are_named(
    bench: Callable[..., Done], job: dict[str, Any], tmp_path: Path
) -> None:
    job.update(trials=[trial()], reported=False)
    done = bench("run", "--profile", "quick", "--results", str(tmp_path / "out"))
    assert done.code == 1
    assert done.out.splitlines()[-1] == "results: out/20260101-000000-abcd"


def test_an_interrupted_run_still_reports_what_is_finished(bench: Callable[..., Done], job: dict[str, Any]) -> None:
    job.update(trials=[trial()], raises=KeyboardInterrupt())
    done = bench("run", "--profile", "quick")
    assert done.code == 130
    assert "report" in job
    assert "1 trials: 0 failed" in done.out
    assert done.err == "bench: interrupted; nothing is left running\n"


def test_an_interrupted_run_without_trials_makes_no_report(bench: Callable[..., Done], job: dict[str, Any]) -> None:
    job["raises"] = KeyboardInterrupt()
    assert bench("run", "--profile", "quick").code == 130
    assert "report" not in job


# The rest


def test_a_report_is_rebuilt_from_a_stored_run(
    bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stored = RunStore.create(tmp_path / "results", {})
    made: list[Path] = []
    monkeypatch.setattr(run, "write_report", lambda folder, say, **how: made.append(folder) or True)
    monkeypatch.chdir(tmp_path)
    for arguments in ((), (stored.run_id,)):
        done = bench("report", *arguments, "--results", "results")
        assert (done.code, done.out) == (0, f"results/{stored.run_id}/report/index.html\n")
    assert made == [stored.folder.resolve()] * 2
    monkeypatch.setattr(run, "write_report", lambda folder, say, **how: say("no trials") or False)
    done = bench("report", str(stored.folder))
    assert (done.code, done.err) == (1, "bench: no trials\n")


def test_verify_takes_all_stacks_or_those_named(bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[str], bool]] = []

    def stacks(found: catalog.Catalog, chosen: list[Any], *, mode: str, as_json: bool, refused: dict[str, str]) -> int:
        assert (mode, refused) == ("native", {})
        asked.append(([stack.id for stack in chosen], as_json))
        return 1

    monkeypatch.setattr(check, "stacks", stacks)
    assert bench("verify").code == 1
    assert bench("verify", "default", "aiohttp/single/direct", "--json").code == 1
    everything, some = asked
    found = catalog.load().stacks
    assert everything == (list(found), False)
    assert len(some[0]) == 1 + sum("default" in stack.tags for stack in found.values())
    assert some[1]


def test_verify_a_server_of_ones_own(
    bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(check, "one_url", lambda url, **how: asked.update(url=url, **how) or 0)
    done = bench(
        "verify", "--url", "http://127.0.0.1:1", "--omits", "server", "--omits", "date", "--static-dir", str(tmp_path)
    )
    assert done.code == 0
    assert asked == {"url": "http://127.0.0.1:1", "omits": ("server", "date"), "static_dir": tmp_path, "as_json": False}


def test_serve_holds_up_what_is_named(bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        check, "serve", lambda stack, *, port, say: asked.append((stack.id, port)) or say("[b]up[/b]") or 0
    )
    done = bench("serve", "flask/gunicorn-sync+workers=2/nginx", "--port", "8080")
    assert (done.code, done.out) == (0, "[b]up[/b]\n")
    assert asked == [("flask/gunicorn-sync+workers=2/nginx", 8080)]


def test_setup_says_what_it_made_and_else_nothing(bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench("setup") == Done(code=0, out="", err="")

    def prepare(found: catalog.Catalog, apps: Any, say: Callable[[str], None]) -> Prepared:
        say("environment of flask: flask")
        return Prepared(made=len(list(apps)), absent={})

    monkeypatch.setattr(environments, "prepare", prepare)
    lines = bench("setup").out.splitlines()
    assert lines[0] == "setup: environment of flask: flask"
    assert lines[1] == f"setup: done, {len(catalog.load().apps)} environments made; everything works offline from here"


def test_environments_are_made_before_a_stack_is_used_and_json_stays_clean(
    bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    apps: list[str] = []

    def prepare(found: catalog.Catalog, chosen: Any, say: Callable[[str], None]) -> Prepared:
        apps.extend(app.name for app in chosen)
        say("environment of flask")
        return Prepared(made=1, absent={})

    monkeypatch.setattr(environments, "prepare", prepare)
    monkeypatch.setattr(session, "recover", lambda: ["ended what x left behind: 2 processes"])
    monkeypatch.setattr(check, "stacks", lambda *_, **__: 0)
    done = bench("verify", "flask/*", "--json")
    assert apps == ["flask"]
    assert done.out == ""
    assert "note: ended what x left behind: 2 processes\n" in done.err
    assert "setup: environment of flask\n" in done.err
    assert bench("verify", "flask/*").out == "setup: environment of flask\n"


@pytest.fixture
def without_koa(bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    """The application in Node cannot be had."""

    def prepare(found: catalog.Catalog, chosen: Any, say: Callable[[str], None]) -> Prepared:
        say("koa is left out: no Node")
        return Prepared(made=1, absent={"koa": "no Node; install it"} if found.apps["koa"] in chosen else {})

    monkeypatch.setattr(environments, "prepare", prepare)


@pytest.mark.usefixtures("without_koa")
def test_what_cannot_be_had_is_left_out_and_the_rest_goes_on(
    bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[Any] = []
    monkeypatch.setattr(run, "execute", lambda plan, **_: plans.append(plan))
    bench("run", "--stacks", "koa/node/direct,flask/gunicorn-sync/direct", "--scenarios", "db")
    (plan,) = plans
    assert [one.stack.id for one in plan.stacks] == ["flask/gunicorn-sync/direct"]
    assert plan.skipped["koa/node/direct"].reason == "no Node; install it"

    asked: list[Any] = []
    monkeypatch.setattr(check, "stacks", lambda found, chosen, **given: asked.append((chosen, given["refused"])) or 0)
    assert bench("verify", "koa/node/direct", "flask/gunicorn-sync/direct").code == 0
    ((chosen, refused),) = asked
    assert [one.id for one in chosen] == ["flask/gunicorn-sync/direct"]
    assert refused == {"koa/node/direct": "no Node; install it"}

    done = bench("setup")
    assert (done.code, done.out) == (
        0,
        "setup: koa is left out: no Node\nsetup: done, 1 environment made; left out: koa\n",
    )


@pytest.mark.usefixtures("without_koa")
@pytest.mark.parametrize("command", [("serve",), ("verify",), ("run", "--stacks")])
def test_where_nothing_else_was_asked_for_the_reason_is_the_answer(
    bench: Callable[..., Done], command: tuple[str, ...]
) -> None:
    done = bench(*command, "koa/node/direct")
    assert done.code == 2
    assert done.err == "bench: nothing is left to do: no Node; install it\n"


def test_lock_says_what_changed(bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "lock", lambda found, say: say("apps/flask") or [])
    assert bench("lock").out == "lock: apps/flask\nnothing changed\n"
    monkeypatch.setattr(locking, "lock", lambda found, say: ["a: x 1 -> 2", "b: y 1 -> 2"])
    assert bench("lock").out == "a: x 1 -> 2\nb: y 1 -> 2\n"


def test_doctor_gives_its_verdict(bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import doctor

    monkeypatch.setattr(doctor, "gather", lambda results: results)
    monkeypatch.setattr(doctor, "checks", lambda facts: [facts])
    monkeypatch.setattr(doctor, "render", lambda results: f"checked {results}")
    monkeypatch.setattr(doctor, "verdict", lambda results: 1)
    done = bench("doctor")
    assert done.code == 1
    assert "checked" in done.out


def test_clean_ends_what_is_left_and_drops_our_schema_only_where_one_is_named(
    bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "recover", lambda: ["ended what x left behind: 2 processes"])
    monkeypatch.setattr(database, "drop", lambda url: url.endswith("mine"))
    assert bench("clean").out == "ended what x left behind: 2 processes\n"
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@db/mine")
    done = bench("clean")
    assert "dropped the schema forkloop from " in done.out
    assert "secret" not in done.out
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/other")
    assert "dropped" not in bench("clean").out


def test_clean_all_removes_what_setup_made_and_no_results(
    bench: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("envs", "cache/static", "results"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(environments, "HOME", tmp_path / "envs")
    monkeypatch.setattr(environments, "STATIC", tmp_path / "cache" / "static")
    monkeypatch.chdir(tmp_path)
    assert bench("clean", "--all").out == "removed envs\nremoved cache\n"
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_help_names_every_command(bench: Callable[..., Done]) -> None:
    done = bench("--help")
    assert done.code == 0
    for name in ("run", "verify", "report", "serve", "list", "doctor", "setup", "lock", "clean"):
        assert f" {name} " in done.out


def test_results_lie_beside_the_code() -> None:
    assert cli.base.RESULTS.parent == catalog.ROOT


# What the analysis is asked


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """In the place of the analysis: keeps what it was asked."""
    words: list[tuple[str, ...]] = []
    monkeypatch.setattr(cli.base, "analysis", lambda *given, quiet=False: words.append(given) or 0)
    return words


def test_a_page_of_two_runs_and_the_index_with_it(
    bench: Callable[..., Done], asked: list[tuple[str, ...]], tmp_path: Path
) -> None:
    first, second = (RunStore.create(tmp_path, {}) for _ in range(2))
    assert bench("compare", first.run_id, second.run_id, "--html", "--results", str(tmp_path)).code == 0
    folders = [str(one.folder.resolve()) for one in (first, second)]
    assert asked == [("between", *folders, "--html", str(tmp_path)), ("index", str(tmp_path))]
    for words in (("--html",), (second.run_id, "--html", "--json")):
        done = bench("compare", first.run_id, *words, "--results", str(tmp_path))
        assert done.code == 2
        assert "--html" in done.err


def test_the_tables_of_copies_and_of_verdicts(
    bench: Callable[..., Done], asked: list[tuple[str, ...]], tmp_path: Path
) -> None:
    first, second = (RunStore.create(tmp_path, {}) for _ in range(2))
    folders = [str(one.folder.resolve()) for one in (first, second)]
    results = ("--results", str(tmp_path))
    assert bench("compare", first.run_id, "--copies", *results).code == 0
    assert bench("compare", first.run_id, second.run_id, "--verdicts", *results).code == 0
    assert asked == [("copies", folders[0]), ("verdicts", *folders)]
    for words in (("--verdicts",), (second.run_id, "--copies"), (second.run_id, "--verdicts", "--json")):
        done = bench("compare", first.run_id, *words, *results)
        assert (done.code, done.err.count("\n")) == (2, 1)


def test_trust_does_both_parts_or_one_and_fails_where_one_does_not_hold(
    bench: Callable[..., Done], asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = trust.Planted(folder=tmp_path / "run", truth={"a/b/c": 1.0, "a+x/b/c": 0.5})
    monkeypatch.setattr(trust, "measure", lambda **how: found)
    monkeypatch.setattr(trust, "lengths", lambda **how: tmp_path / "one")
    planted = ("trust", str(tmp_path / "run"), "a/b/c=1.0", "a+x/b/c=0.5")
    lengths = ("lengths", str(tmp_path / "one"))
    assert bench("trust").code == 0
    assert bench("trust", "--rounds", "0").code == 0
    assert asked == [planted, lengths, planted]
    monkeypatch.setattr(cli.base, "analysis", lambda *given, quiet=False: int(given[0] == "lengths"))
    assert [bench("trust", *words).code for words in ((), ("--blocks", "0"), ("--rounds", "0"))] == [1, 1, 0]
    before = len(asked)
    done = bench("trust", "--rounds=-1")
    assert (done.code, done.err.count("\n"), len(asked)) == (2, 1, before), "refused before the first part is run"
    assert "--rounds must be 1 or more" in done.err


def test_the_index_alone_is_of_all_runs(
    bench: Callable[..., Done], asked: list[tuple[str, ...]], tmp_path: Path
) -> None:
    assert bench("report", "--index", "--results", str(tmp_path)).code == 0
    assert asked == [("index", str(tmp_path))]
    assert "--index is of all runs" in bench("report", "latest", "--index").err


def test_serving_reports_prints_the_url_first(
    bench: Callable[..., Done], asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(_: viewer.Viewer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(viewer.Viewer, "wait", interrupted)
    stored = RunStore.create(tmp_path, {})
    for words, path in (((), ""), ((stored.run_id,), f"{stored.run_id}/report/index.html")):
        done = bench("serve-report", *words, "--results", str(tmp_path))
        assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/{path}\n", done.out)
        assert done.code == 130
    assert asked == [("index", str(tmp_path))] * 2
