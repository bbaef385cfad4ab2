"""The generator's side of the pipes is played by a small script, so that every way in which it can go wrong does."""

import dataclasses
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import load
from bench.load import Beside, Job, LoadFailedError, Target
from bench.model import BenchError
from bench.render import Endpoint
from bench.session import Session
from loadtests.beside import Beside as EnginesBeside
from loadtests.job import Workers
from loadtests.schema import build

PLAYER = """
import json, os, sys, time
from pathlib import Path

assert sys.argv[1:5] == ["-f", os.path.join(os.getcwd(), "loadtests", "locustfile.py"), "--headless", "--forkloop-job"]
job = json.loads(Path(sys.argv[5]).read_text())

def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)

def heard(word):
    line = sys.stdin.readline()
    assert line == word, line

def result(targets):
    Path(job["result_path"]).write_text(json.dumps({"version": 1, "job": job, "targets": targets, "generator": {}}))

print("about to begin", file=sys.stderr)
"""
"""Ahead of each script below; `python -m locust` finds it as `locust.py` in its working directory."""

ALL_WELL = """
say("ready")
heard("go\\n")
for done in (0.25, 0.5):
    say("progress", done=done, rps={})
say("progress")
say("something newer")
say("measured")
heard("end\\n")
result([{"id": target["id"]} for target in job["targets"]])
say("done")
"""


class Heard:
    """What `run` called, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def __call__(self, name: str) -> Callable[[Any], None]:
        return lambda value: self.calls.append((name, value))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def play(tmp_path: Path, live: Session, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run a job against a script, to its result."""
    monkeypatch.setattr(load, "ROOT", tmp_path)

    def run(script: str, *, before: str = PLAYER, inside: Any = None, **changes: Any) -> dict[str, Any]:
        (tmp_path / "locust.py").write_text(before + script)
        targets = [
            Target(id="a#0", endpoint=Endpoint(host="127.0.0.1", port=8001), connections=32),
            Target(id="b#0", endpoint=Endpoint(host="127.0.0.1", port=0, socket=Path("/run/b.sock")), connections=32),
        ]
        values: dict[str, Any] = {
            "scenario": "db", "mode": "duet", "targets": targets, "seed": 7, "warmup_s": 0.5, "measure_s": 2.0,
            "slice_s": 0.05, "timeout_s": 3.0,
        }  # fmt: skip
        return load.run(
            live, Job(**{**values, **changes}), folder=tmp_path / "run", name="0-db", log=tmp_path / "load.log", cpus=(),
            on_ready=heard("ready"), on_measured=heard("measured"), on_progress=heard("progress"), work=live.scratch, inside=inside,
        )  # fmt: skip

    return run


def clock(monkeypatch: pytest.MonkeyPatch, *, step_s: float) -> None:
    """A clock that has moved on by `step_s` at every look."""
    moments = itertools.count(step=step_s)
    monkeypatch.setattr(load, "time", SimpleNamespace(monotonic=lambda: next(moments)))


def refused(play: Callable[..., dict[str, Any]], script: str, **changes: Any) -> LoadFailedError:
    with pytest.raises(LoadFailedError) as caught:
        play(script, **changes)
    assert isinstance(caught.value, BenchError)
    assert "\n" not in str(caught.value)
    return caught.value


def test_both_sides_wait_for_each_other(
    play: Callable[..., dict[str, Any]], heard: Heard, live: Session, tmp_path: Path
) -> None:
    result = play(ALL_WELL)
    assert heard.names == ["ready", "progress", "progress", "progress", "measured"]
    assert [value for name, value in heard.calls if name == "progress"] == [0.25, 0.5, 0.0]
    pids = {value for name, value in heard.calls if name != "progress"}
    assert len(pids) == 1
    assert [target["id"] for target in result["targets"]] == ["a#0", "b#0"]
    assert "about to begin" in (tmp_path / "load.log").read_text()
    state = json.loads(next((tmp_path / "sessions").glob("*.json")).read_text())
    assert state["processes"] == []


class Elsewhere:
    """A container, played by a folder: only what is brought there can be read there, and only what is fetched comes back."""

    def __init__(self, root: Path, heard: Heard, pid: int | None) -> None:
        self.root, self.heard, self.pid = root, heard, pid
        self.fetched: list[Path] = []

    def there(self, path: Path) -> Path:
        return self.root / path.relative_to("/")

    def bring(self, job: Path, writes: list[Path]) -> None:
        self.heard.calls.append(("bring", [path.suffix for path in writes]))
        for path in (job, *writes):
            self.there(path).parent.mkdir(parents=True, exist_ok=True)
        told = json.loads(job.read_text())
        self.there(job).write_text(json.dumps({**told, "result_path": str(self.there(Path(told["result_path"])))}))

    def load_command(self, job: Path) -> list[str]:
        return [sys.executable, "-m", "locust", "-f", str(load.ROOT / "loadtests" / "locustfile.py"), "--headless",
                "--forkloop-job", str(self.there(job))]  # fmt: skip

    def fetch(self, written: list[Path]) -> None:
        self.heard.calls.append(("fetch", [path.suffix for path in written]))
        self.fetched += written
        for path in written:
            if self.there(path).exists():
                self.there(path).rename(path)

    def generator_pid(self, job: Path) -> int | None:
        return self.pid


def test_a_generator_elsewhere_is_brought_its_job_and_what_it_wrote_is_fetched(
    play: Callable[..., dict[str, Any]], heard: Heard, tmp_path: Path
) -> None:
    result = play(ALL_WELL, inside=Elsewhere(tmp_path / "there", heard, None))
    assert [target["id"] for target in result["targets"]] == ["a#0", "b#0"]
    assert heard.names == ["bring", "ready", "progress", "progress", "progress", "measured", "fetch"]
    assert heard.calls[0][1] == heard.calls[-1][1] == [".parquet", ".parquet", ".json"]
    told = {value for name, value in heard.calls if name in ("ready", "measured")}
    assert told == {None}, (
        "a process that nobody here sees has no number here, least of all that of the command that waits for it"
    )


def test_histograms_of_requests_that_were_not_kept_are_fetched_as_well(
    play: Callable[..., dict[str, Any]], heard: Heard, tmp_path: Path
) -> None:
    kept = '"generator": {}}'
    more = PLAYER.replace(kept, '"generator": {}, "recorded": "histograms"}')
    assert more != PLAYER
    elsewhere = Elsewhere(tmp_path / "there", heard, None)
    play(ALL_WELL, before=more, inside=elsewhere)
    names = ["0-db.parquet", "0-db.parquet", "0-db.result.json", "0-db.histograms.parquet"]
    assert [path.name for path in elsewhere.fetched] == names
    assert elsewhere.fetched[-1].parent == tmp_path / "run" / "requests"
    requests = [{"method": "GET", "path": "/", "headers": {}}]
    elsewhere.fetched.clear()
    play(ALL_WELL, before=more, inside=elsewhere, scenario=None, requests=requests)
    assert [path.suffix for path in elsewhere.fetched] == [".json"], "nothing was to be stored but the result"


def test_a_generator_that_is_not_where_it_was_planned_measures_nothing(
    play: Callable[..., dict[str, Any]], heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(pids: list[int], cpus: object, what: str) -> None:
        raise BenchError(f"{what} may use CPUs 0")

    monkeypatch.setattr(load.placement, "check", check)
    with pytest.raises(BenchError, match="the load generator may use CPUs 0"):
        play(ALL_WELL)
    assert heard.names == []


def test_the_job_says_all_that_the_generator_needs(play: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    assert play(ALL_WELL)["job"] == {
        "version": 1, "scenario": "db", "seed": 7, "mode": "duet", "parameters": {}, "warmup_s": 0.5, "measure_s": 2.0,
        "slice_s": 0.05, "timeout_s": 3.0, "arrivals": "poisson",
        "targets": [
            {"id": "a#0", "host": "127.0.0.1", "port": 8001, "unix": None, "connections": 32},
            {"id": "b#0", "host": "127.0.0.1", "port": 0, "unix": "/run/b.sock", "connections": 32},
        ],
        "requests_path": str(tmp_path / "run/requests/0-db.parquet"),
        "slices_path": str(tmp_path / "run/slices/0-db.parquet"),
        "result_path": play(ALL_WELL)["job"]["result_path"],
    }  # fmt: skip
    job = play(ALL_WELL, mode="open", slice_s=None, rate_rps=200.0, arrivals="constant")["job"]
    assert (job["mode"], job["rate_rps"], job["arrivals"]) == ("open", 200.0, "constant")
    assert "slice_s" not in job
    assert "workers" not in job


def test_several_workers_are_named_with_the_engines_own_keys(play: Callable[..., dict[str, Any]]) -> None:
    job = play(ALL_WELL, workers=load.Workers(cpus=(2, 3), remote=1, bind="192.0.2.1"))["job"]
    assert job["workers"] == {"cpus": [2, 3], "remote": 1, "bind": "192.0.2.1", "port": 5557, "wait_s": 60.0}
    build(Workers, job["workers"], "workers")


def test_clients_beside_are_named_with_the_engines_own_keys(play: Callable[..., dict[str, Any]]) -> None:
    crowd = Beside(kind="readers", count=64, path="/blob?bytes=8000000", rate_bytes_s=4096.0)
    said = play(ALL_WELL, mode="closed", slice_s=None, beside=crowd)["job"]["beside"]
    assert build(EnginesBeside, said, "job") == EnginesBeside(
        kind="readers", count=64, path="/blob?bytes=8000000", rate_bytes_s=4096.0
    )
    ours = {field.name: field.default for field in dataclasses.fields(Beside)}
    assert ours == {field.name: field.default for field in dataclasses.fields(EnginesBeside)}


def test_clients_beside_have_time_to_arrive_and_to_end(
    play: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every look at the clock costs 40 s here: what the job allows otherwise is over by the time that it has measured."""
    patient = Beside(kind="idle", count=10_000, settle_s=400.0, finish_s=400.0)
    clock(monkeypatch, step_s=40.0)
    assert play(ALL_WELL, beside=patient)["targets"]
    refused(play, ALL_WELL)


def test_locusts_own_report_is_kept_where_it_is_wanted(
    play: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "print(*sys.argv[6:], file=sys.stderr)\n"
    play(told + ALL_WELL)
    assert "--html" not in (tmp_path / "load.log").read_text()
    monkeypatch.setenv(load.LOCUST_HTML, "1")
    play(told + ALL_WELL)
    assert f"--html {tmp_path / 'load.html'}" in (tmp_path / "load.log").read_text()


def test_a_bad_job_is_told_in_the_generators_words(play: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    error = refused(play, 'say("error", message="no scenario dd; is it db?")\nsys.exit(2)')
    assert str(error) == "the load generator: no scenario dd; is it db?"
    assert error.log == tmp_path / "load.log"


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("sys.exit(3)", "exit code 3"),
        ('say("ready")\nheard("go\\n")\nos.kill(os.getpid(), 9)', "signal 9"),
        ('say("ready")\nheard("go\\n")\nos.close(1)\ntime.sleep(1000)', "still running"),
    ],
)
def test_an_early_end_says_how(
    play: Callable[..., dict[str, Any]], script: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "still running":
        monkeypatch.setattr(load, "EXIT_PATIENCE_S", 0.1)
    assert str(refused(play, script)) == f"the load generator ended early ({how}); see load.log"


@pytest.mark.parametrize(
    "script",
    [
        'say("done")',
        'say("ready")\nheard("go\\n")\nresult([])\nsay("done")',  # as it does when it is told to stop
    ],
)
def test_an_end_before_all_was_measured_is_no_result(play: Callable[..., dict[str, Any]], script: str) -> None:
    assert str(refused(play, script)) == "the load generator was stopped before it had measured"


@pytest.mark.parametrize("line", ["oops", '{"event": "rea', "7", "null", '["ready"]', "\\xff"])
def test_what_is_no_event_cannot_be_used(play: Callable[..., dict[str, Any]], line: str) -> None:
    error = refused(play, f"sys.stdout.buffer.write(b'{line}\\n'); sys.stdout.flush()\ntime.sleep(1000)")
    assert str(error).startswith("the load generator's answer cannot be used: ")


@pytest.mark.parametrize(
    "write",
    [
        "pass",
        'Path(job["result_path"]).write_text("{")',
        'Path(job["result_path"]).write_text("[]")',
        'result([])',
        'result([{"id": "a#0"}])',
    ],
)  # fmt: skip
def test_a_result_that_is_not_there_or_answers_for_other_targets(
    play: Callable[..., dict[str, Any]], write: str
) -> None:
    script = f'say("ready")\nheard("go\\n")\nsay("measured")\nheard("end\\n")\n{write}\nsay("done")'
    assert str(refused(play, script)).startswith("the load generator's answer cannot be used: ")


def test_a_generator_that_does_not_listen_any_more(play: Callable[..., dict[str, Any]]) -> None:
    script = 'os.close(0)\nsay("ready")\ntime.sleep(1000)'
    assert str(refused(play, script)) == "the load generator's answer cannot be used: [Errno 32] Broken pipe"


@pytest.mark.parametrize("script", ["time.sleep(1000)", 'while True: say("progress", done=0.1); time.sleep(0.01)'])
def test_a_generator_that_hangs_is_ended(
    play: Callable[..., dict[str, Any]], script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(monkeypatch, step_s=50.0)
    assert str(refused(play, script)) == "the load generator did not answer in time and was ended"


def test_it_may_take_longer_once_it_has_started(
    play: Callable[..., dict[str, Any]], heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step has a deadline of its own: what starting may take is not taken off what measuring may."""
    clock(monkeypatch, step_s=10.0)
    assert play(ALL_WELL, measure_s=1000.0)["targets"]
    monkeypatch.setattr(load, "END_DEADLINE_S", 5.0)
    error = refused(play, ALL_WELL, measure_s=1000.0)
    assert str(error) == "the load generator did not answer in time and was ended"
    assert heard.names[-1] == "measured"


def test_a_failure_of_ours_meanwhile_ends_the_generator(
    play: Callable[..., dict[str, Any]], heard: Heard, live: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(value: float) -> None:
        raise KeyboardInterrupt

    heard.calls.clear()
    monkeypatch.setattr(Heard, "__call__", lambda self, name: broken if name == "progress" else (lambda value: None))
    with pytest.raises(KeyboardInterrupt):
        play('say("ready")\nheard("go\\n")\nsay("progress", done=0.5)\ntime.sleep(1000)')
    state = json.loads(next((tmp_path / "sessions").glob("*.json")).read_text())
    assert state["processes"] == []
