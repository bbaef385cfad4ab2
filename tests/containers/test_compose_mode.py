"""The main job in containers, as a user runs it."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.containers.conftest import BENCH, ROOT

STACKS = ("flask/gunicorn-sync/nginx", "aiohttp/single/direct")
Bench = Callable[..., subprocess.CompletedProcess[str]]


def test_a_run_in_containers_measures_accounts_and_leaves_nothing(
    bench: Bench, ours: Callable[[], list[str]], tmp_path: Path
) -> None:
    done = bench(
        "run", "--mode", "compose", "--profile", "smoke", "--stacks", ",".join(STACKS), "--results", str(tmp_path)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = (tmp_path / "latest").resolve()
    run = json.loads((folder / "run.json").read_text())
    assert run["mode"] == "compose"
    assert run["environment"]["postgresql"].endswith("(postgres:17 container)")
    for name in STACKS:
        seen = run["observed"][name]
        assert seen["versions"]["python"].startswith("3.13.")
        assert any(key.startswith("image of app") for key in seen["versions"])
        assert {tuple(one["cpus"]) for one in seen["processes"]} == {tuple(run["placement"]["server"])}
    trials = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    assert len(trials) == 2 * 2 * 2
    for trial in trials:
        assert (trial["status"], trial["mode"], trial["errors"]) == ("measured", "compose", {})
        assert trial["cpu_s"]["app"] > 0
        assert trial["cpu_s"]["generator"] > 0
        assert trial["pss_bytes"]["app"] > 0
        assert (trial["cpu_s"]["front"] is None) == trial["stack"].endswith("/direct")
    db = next(trial for trial in trials if trial["scenario"] == "db" and trial["view"] == "capacity")
    assert db["cpu_s"]["database"] > 0, "a connection's process is found outside of its container"
    assert ours() == []


def test_what_a_killed_command_left_is_removed_by_the_next(bench: Bench, ours: Callable[[], list[str]]) -> None:
    killed = subprocess.Popen(
        [BENCH, "verify", "--mode", "compose", STACKS[1]],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not any("app" in name for name in ours()):
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert ours() != []
    assert "ended what" in bench("clean").stdout
    assert ours() == []
