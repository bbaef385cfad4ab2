"""Jobs are read strictly, addresses resolved once, and a job that is stopped early leaves an empty result."""

import json
import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from scripted_servers import GOOD, HANG

from loadtests import address, job, results
from loadtests.control import Stopped
from loadtests.errors import LoadError
from loadtests.session import Session
from tests.waiting import until

TARGET = {"id": "a", "host": "127.0.0.1", "port": 80, "unix": None, "connections": 2}


def orders(folder: Path, **keys: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "scenario": "plaintext",
        "seed": 1,
        "mode": "duet",
        "targets": [TARGET],
        "parameters": {},
        "warmup_s": 0,
        "measure_s": 1,
        "slice_s": 0.1,
        "rate_rps": None,
        "timeout_s": 10.0,
        "requests_path": str(folder / "r.parquet"),
        "slices_path": str(folder / "s.parquet"),
        "result_path": str(folder / "r.json"),
        **keys,
    }


def test_a_job_is_read(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(orders(tmp_path)))
    found = job.read(path)
    assert found.targets == (job.Target(id="a", connections=2, host="127.0.0.1", port=80),)
    assert found.measure_s == 1.0
    assert found.result_path == tmp_path / "r.json"


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"mesure_s": 1}, "unknown key 'mesure_s'; did you mean 'measure_s'?"),
        ({"version": 2}, "version: 2 is none of 1"),
        ({"mode": "doet"}, "mode: 'doet' is none of"),
        ({"targets": []}, "targets: name at least one"),
        ({"targets": [TARGET, TARGET]}, "an id occurs twice"),
        ({"targets": [{**TARGET, "port": 0}]}, "needs a host and a port from 1 to 65535"),
        ({"targets": [{**TARGET, "host": None}]}, "needs a host and a port from 1 to 65535"),
        ({"targets": [{**TARGET, "connections": 0}]}, "connections must be 1 or more"),
        ({"targets": [{**TARGET, "conections": 1}]}, "did you mean 'connections'?"),
        ({"measure_s": 0}, "measure_s must be above 0"),
        ({"warmup_s": -1}, "warmup_s must not be negative"),
        ({"slice_s": None}, "slice_s is needed in mode 'duet'"),
        ({"mode": "open"}, "rate_rps is needed in mode 'open'"),
        ({"timeout_s": "long"}, "timeout_s: expected a number, got 'long'"),
        ({"result_path": "/nowhere/r.json"}, "result_path: the folder /nowhere does not exist"),
    ],
)
def test_a_wrong_job_is_one_clear_line(keys: dict[str, Any], says: str, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(orders(tmp_path, **keys)))
    with pytest.raises(LoadError) as caught:
        job.read(path)
    assert str(caught.value).startswith(str(path))
    assert says in str(caught.value)


def test_a_job_that_is_absent_or_not_json(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="cannot be read"):
        job.read(tmp_path / "none.json")
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(LoadError, match="not JSON"):
        job.read(tmp_path / "job.json")


def test_too_few_descriptors_names_the_limit_and_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    with pytest.raises(LoadError, match=r"1064 open files .*, the hard limit .* is 256 .*; .*--nofile=1064:1064"):
        Session(read(tmp_path, targets=[{**TARGET, "connections": 1000}]))


def read(folder: Path, **keys: Any) -> job.Job:
    path = folder / "job.json"
    path.write_text(json.dumps(orders(folder, **keys)))
    return job.read(path)


class Stopping:
    """A control whose word never comes: the job is stopped at one of its waits."""

    def __init__(self, at: str) -> None:
        self._at = at

    def emit(self, event: str, **fields: Any) -> None:
        pass

    def wait(self, word: str) -> None:
        if word == self._at:
            raise Stopped


def test_stopped_before_go_leaves_an_empty_result(tmp_path: Path) -> None:
    found = read(tmp_path)
    measured = Session(found).run(Stopping("go"))  # type: ignore[arg-type]
    results.write(found, measured, results.Table(measured))
    result = json.loads(found.result_path.read_text())
    assert result["stopped"] is True
    assert (result["targets"][0]["requests"], result["targets"][0]["rps"]) == (0, None)


def test_stopped_after_measuring_keeps_all(tmp_path: Path, serve: Any) -> None:
    server = serve(lambda number: [GOOD])
    found = read(tmp_path, targets=[{**TARGET, "port": server.port}], measure_s=0.2)
    measured = Session(found).run(Stopping("end"))  # type: ignore[arg-type]
    results.write(found, measured, results.Table(measured))
    result = json.loads(found.result_path.read_text())
    assert result["targets"][0]["window_requests"] == server.requests > 0
    assert result["targets"][0]["seconds"] == pytest.approx(0.8 * 0.2)


def test_stopped_within_a_slice_the_slice_ends_there(tmp_path: Path, serve: Any) -> None:
    server = serve(lambda number: [GOOD])
    found = read(tmp_path, mode="closed", targets=[{**TARGET, "port": server.port}], measure_s=60)
    running = gevent.spawn(Session(found).run, Stopping("never"))
    until(lambda: server.requests >= 50, nap=gevent.sleep)
    running.kill(Stopped, block=False)
    measured = running.get(timeout=10)
    (window,) = measured.recorder.windows
    assert window.end_s - window.start_s < 30
    table = results.Table(measured)
    assert table.correct.sum() >= 40


def stopped_at(found: job.Job, server: Any, requests: int) -> dict[str, Any]:
    """The result of a job that is stopped once the server has had so many requests."""
    running = gevent.spawn(Session(found).run, Stopping("never"))
    until(lambda: server.requests >= requests, nap=gevent.sleep)
    gevent.sleep(0.2)
    running.kill(Stopped, block=False)
    measured = running.get(timeout=10)
    results.write(found, measured, results.Table(measured))
    target: dict[str, Any] = json.loads(found.result_path.read_text())["targets"][0]
    return target


def test_a_rate_that_is_stopped_is_that_of_the_time_until_then_and_tells_who_had_no_answer(
    tmp_path: Path, serve: Any
) -> None:
    server = serve(lambda number: [GOOD] if number < 60 else [HANG])
    targets = [{**TARGET, "port": server.port, "connections": 2}]
    found = read(
        tmp_path, mode="open", slice_s=None, targets=targets, measure_s=60, rate_rps=200.0, arrivals="constant"
    )
    target = stopped_at(found, server, 62)
    assert target["offered_rps"] == pytest.approx(200.0, rel=0.1)
    assert target["requests"] == 60
    assert target["unanswered"] > 20, "two in flight, the others in the queue"
    due = round(target["offered_rps"] * target["seconds"])
    assert target["requests"] + target["unanswered"] == pytest.approx(due, abs=1)


def test_a_stage_that_is_cut_has_the_rate_of_the_time_it_lasted_and_one_never_reached_has_none(
    tmp_path: Path, serve: Any
) -> None:
    server = serve(lambda number: [GOOD] if number < 60 else [HANG])
    stages = [{"seconds": seconds, "start": 200.0, "end": 200.0} for seconds in (0.1, 50.0, 10.0)]
    targets = [{**TARGET, "port": server.port, "connections": 2}]
    found = read(
        tmp_path, mode="open", slice_s=None, targets=targets, measure_s=60.1, stages=stages, arrivals="constant"
    )
    target = stopped_at(found, server, 62)
    first, second, third = target["stages"]
    assert (first["lasted_s"], first["offered_rps"]) == (0.1, pytest.approx(200.0))
    assert second["lasted_s"] < 50.0
    assert second["offered_rps"] == pytest.approx(200.0, rel=0.1), "those without an answer included"
    # Those of the first that are answered late count for the second, in which they were answered.
    assert first["rps"] * 0.1 + second["rps"] * second["lasted_s"] == pytest.approx(60)
    assert (third["lasted_s"], third["offered_rps"], third["rps"]) == (0.0, None, None)


def test_addresses() -> None:
    assert address.from_url("http://127.0.0.1:8000").sockaddr == ("127.0.0.1", 8000)
    assert address.from_url("127.0.0.1:8000").host == "127.0.0.1:8000"
    assert address.from_url("http://127.0.0.1/").sockaddr == ("127.0.0.1", 80)
    assert address.from_url("", unix="/x.sock").family == socket.AF_UNIX
    assert address.resolve("::1", 80).host == "[::1]:80"


def test_a_name_of_several_addresses_is_the_first_one_that_accepts(
    tmp_path: Path, serve: Any, known_as: Callable[..., None]
) -> None:
    """`localhost` may be ::1 first, and the server listen on 127.0.0.1 alone. The request says the name all the same."""
    server = serve(lambda number: [GOOD])
    known_as("localhost", "::1", "127.0.0.1")
    found = address.from_url(f"http://localhost:{server.port}")
    assert found == address.Address(
        family=socket.AF_INET, sockaddr=("127.0.0.1", server.port), host=f"localhost:{server.port}"
    )
    job_there = read(tmp_path, targets=[{**TARGET, "host": "localhost", "port": server.port}], measure_s=0.2)
    measured = Session(job_there).run(Stopping("never"))  # type: ignore[arg-type]
    results.write(job_there, measured, results.Table(measured))
    (target,) = json.loads(job_there.result_path.read_text())["targets"]
    assert target["errors"] == {}
    assert target["window_requests"] == server.requests > 0
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert address.resolve("localhost", port).sockaddr[0] == "::1", "where none accepts, the first: the load says why"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://127.0.0.1", "TLS is not supported"),
        ("ftp://127.0.0.1", "expected http://"),
        ("http://127.0.0.1:99999", "the port is not a number"),
        ("http://127.0.0.1:0", "the port is not a number from 1 to 65535"),
        ("http://127.0.0.1/db", "the path comes from the scenario"),
        ("http://", "expected http://"),
        ("http://[::1", "expected http://"),
        ("http://no-such-host.invalid", "cannot be resolved"),
        ("http://my..host", r"host 'my\.\.host': cannot be resolved \(not a host name\)"),
    ],
)
@pytest.mark.usefixtures("no_names")
def test_wrong_addresses_are_one_clear_line(url: str, says: str) -> None:
    with pytest.raises(LoadError, match=says):
        address.from_url(url)
