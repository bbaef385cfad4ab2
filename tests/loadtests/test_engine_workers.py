"""Several workers load as one: same totals, same order, slices that overlap only where they should; and none is missed in silence."""

import gc
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import msgpack
import numpy as np
import pyarrow.parquet as pq
import pytest
from locust import runners
from locust.env import Environment
from scripted_servers import GOOD, HANG, head

from bench.launch import free_port
from loadtests import address, by_job, duet, recorder, results
from loadtests import job as job_file
from loadtests.asked import requests_of
from loadtests.control import Stopped, shielded
from loadtests.durations import Durations
from loadtests.errors import Fault, LoadError
from loadtests.job import Job, Target, Workers
from loadtests.measured import Measured, Side
from loadtests.rows import ROW, Window, clock
from loadtests.stages import Stage
from loadtests.steps import Steps
from loadtests.workers import __main__ as worker_module
from loadtests.workers import master as master_module
from loadtests.workers import merge, parcel
from loadtests.workers.hand import Hand
from loadtests.workers.leader import Leader
from loadtests.workers.offset import Offset
from loadtests.workers.share import share
from tests.waiting import until

ROOT = Path(__file__).parents[2]
CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
TWO = Workers(cpus=(CPUS[0], CPUS[-1]))


@pytest.fixture
def helper() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts workers as another machine would."""
    started: list[subprocess.Popen[bytes]] = []

    def start(port: int, *options: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "loadtests.workers", "--master", "127.0.0.1", "--port", str(port), *options]
        started.append(subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def children() -> list[int]:
    """Processes that this test has started and that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


class Silent:
    """A control that says yes to everything."""

    def emit(self, event: str, **fields: Any) -> None: ...

    def wait(self, word: str) -> None: ...


def test_totals_are_the_servers_own_count_and_slices_never_meet_another_targets(
    serve: Any, load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duet, "TURNS", 0)  # on a busy machine turns may be long, and slices longer for it
    servers = [serve(lambda number: [GOOD]) for _ in range(2)]
    outcome = load(
        *(server.port for server in servers), workers=TWO, mode="duet", slice_s=0.05, measure_s=0.4, warmup_s=0.1, connections=5,
    )  # fmt: skip
    table, worker = outcome.table, outcome.measured.worker
    for number, server in enumerate(servers):
        assert (table.target == number).sum() == server.requests
        told = [one["targets"][number] for one in outcome.result["workers"]]
        assert [one["connections"] for one in told] == [3, 2]
        assert all(one["requests"] > 0 for one in told)
        assert sum(one["requests"] for one in told) == outcome.targets[number]["requests"]
        assert server.connections == 5
    # On a busy machine a worker comes late for a slice now and then, and that slice is left out.
    assert all(0 < one["slices"] <= 8 for one in outcome.targets)
    spans, together = [], 0
    for place, window in enumerate(table.windows):
        inside = table.window == place
        both = [rows for one in (0, 1) if len(rows := table.rows[inside & (worker == one)])]
        begins = [rows["start_s"].min() for rows in both]
        ends = [rows["end_s"].max() for rows in both]
        together += len(both) == 2 and max(begins) < min(*ends, window.end_s)
        if both:
            assert min(begins) >= window.start_s
            spans.append((min(begins), max(ends)))
    assert together > len(table.windows) / 2, "both load at the same time, but for those that came late for a slice"
    assert all(after[0] > before[1] for before, after in itertools.pairwise(spans))
    stored = pq.read_table(tmp_path / "requests.parquet")
    assert np.array_equal(stored["worker"].to_numpy(), worker)
    assert pq.read_table(tmp_path / "slices.parquet").num_rows == 16
    said = [event for event in outcome.control.events if event != "progress"]
    assert said == ["ready", "<go", "measured", "<end"]
    assert children() == []


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_arrivals_of_the_open_loop_are_shared_out(arrivals: str, serve: Any, load: Any) -> None:
    server = serve(lambda number: [GOOD])
    outcome = load(server.port, workers=TWO, mode="open", arrivals=arrivals, rate_rps=400.0, measure_s=0.5, seed=3)
    rows = outcome.table.rows
    assert outcome.first["requests"] == server.requests == len(rows)
    assert outcome.first["offered_rps"] == len(rows) / 0.5
    assert outcome.first["late_ms"]["p50"] >= 0
    counts = np.bincount(outcome.measured.worker, minlength=2)
    due = np.sort(rows["intended_s"]) - outcome.table.windows[0].start_s
    if arrivals == "constant":
        assert counts.tolist() == [100, 100]
        assert np.allclose(due, np.arange(200) / 400, atol=1e-6)
    else:
        assert counts.min() > 50
        assert 150 < counts.sum() < 250
        assert due[0] >= 0
        assert due[-1] < 0.5


def test_connections_join_in_stages_over_all_workers(serve: Any, load: Any) -> None:
    server = serve(lambda number: [GOOD])
    stages = (Stage(seconds=0.2, start=1, end=1), Stage(seconds=0.2, start=4, end=4))
    outcome = load(server.port, workers=TWO, stages=stages, mode="closed", measure_s=0.4, connections=4)
    rows, start_s = outcome.table.rows, outcome.table.windows[0].start_s
    first = outcome.measured.worker[rows["start_s"] < start_s + 0.19]
    assert set(first.tolist()) == {0}, "the one connection of the first stage is the first worker's"
    assert set(outcome.measured.worker.tolist()) == {0, 1}
    assert server.connections == 4


def test_what_is_not_kept_one_by_one_adds_up_too(serve: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two hands in this process, one clock 100 s ahead of the other: the record is that of one process."""
    monkeypatch.setattr(recorder, "BLOCK_ROWS", 16)
    server = serve(lambda number: [GOOD] if number % 10 else [head(0, status=b"500 Oops")])
    job = Job(
        version=1, mode="open", scenario="plaintext", measure_s=0.4, rate_rps=500.0, keep_requests=40, requests_path=tmp_path / "r.parquet",
        slices_path=None, result_path=tmp_path / "result.json",
        targets=(Target(id="t", host="127.0.0.1", port=server.port, connections=4),),
    )  # fmt: skip
    answers: list[dict[str, Any]] = []
    hands = [Hand(answers.append, []) for _ in range(2)]

    def all_do(do: str, each: Callable[[int], dict[str, Any]]) -> list[dict[str, Any]]:
        answers.clear()
        for number, hand in enumerate(hands):
            hand.order({"id": number + 1, "do": do, **each(number)})
        until(lambda: len(answers) >= len(hands), nap=gevent.sleep)
        assert not [one for one in answers if "error" in one]
        return sorted(answers, key=lambda one: int(one["id"]))

    all_do("job", lambda number: {"job": over_the_wire(share(job, number, 2)), "part": number, "parts": 2})
    start_s = clock() + 0.05
    planned = Window(0, "measure", 0, -1, 0, start_s, start_s + 0.4, start_s, True)
    window = {"target": 0, "phase": "measure", "number": 0, "seconds": 0.4, "lead": 0.0, "start_s": start_s}
    all_do("window", lambda number: window)
    accounts = [over_the_wire(one["account"]) for one in all_do("finish", lambda number: {"stopped": False})]
    pieces = [one["rows"] for one in all_do("piece", lambda number: {"number": 0})]
    parcels = [parcel.unpack(told, [packed]) for told, packed in zip(accounts, pieces, strict=True)]
    assert [len(one.rows) for one in parcels] == [32, 32], "whole blocks of each half"
    shift_clock(parcels[1], 100.0)
    steps = merge.steps(parcels)
    gathered = merge.Gathered([planned], parcels)
    measured = Measured(
        request=requests_of(job)[0], recorder=gathered, origin_s=start_s, sides=[merge.side(parcels, 0)], steps=steps,
        generator=merge.generator(parcels), worker=gathered.worker,
    )  # fmt: skip
    results.write(job, measured, results.Table(measured))
    (told,) = json.loads(job.result_path.read_text())["targets"]
    assert told["window_requests"] == server.requests == 200
    assert (told["requests"], told["errors"], told["latency_ms"]["samples"]) == (180, {"status": 20}, 180)
    assert told["seconds"] == pytest.approx(0.4, abs=0.1)
    assert told["offered_rps"] == 500.0
    rows = gathered.since(0)
    assert ((rows["intended_s"] >= start_s) & (rows["intended_s"] < start_s + 0.4)).all()
    kept = pq.read_table(tmp_path / "r.parquet")
    histograms = pq.read_table(tmp_path / "r.histograms.parquet")
    beyond, failed = gathered.beyond, len(kept) - kept["error"].null_count
    assert beyond is not None
    assert kept.num_rows - failed + sum(histograms["count"].to_pylist()) == 180
    assert failed + beyond.failing[0].total == 20
    assert beyond.accounts[0].received + sum(kept["bytes"].to_pylist()) == 13 * 180
    assert all(-1 <= second <= 1 for second in histograms["second_s"].to_pylist()), "on one clock"


def test_stages_and_steps_that_were_not_kept_add_up_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """200 requests of each of two workers, one clock 100 s ahead; a fifth of one worker's are wrong, and each numbers the steps its way."""
    monkeypatch.setattr(recorder, "BLOCK_ROWS", 16)
    stages = tuple(Stage(seconds=1.0, start=count, end=count) for count in (1.0, 2.0))
    job = Job(
        version=1, mode="closed", scenario="plaintext", measure_s=2.0, stages=stages, requests_path=None, slices_path=None,
        result_path=tmp_path / "r", targets=(Target(id="t", host="127.0.0.1", port=1, connections=2),),
    )  # fmt: skip
    parcels = []
    for number, names in enumerate((("list", "open"), ("open", "list"))):
        kept, steps, start_s = recorder.Recorder(keep_rows=16, stages=stages), Steps(), 5.0 + 100.0 * number
        for name in names:
            steps.number("GET", name)
        kept.open(target=0, phase="measure", slice=0, start_s=start_s, seconds=2.0)
        for each in range(200):
            end_s, wrong = start_s + (each + 0.5) / 100, number == 0 and each % 10 == 0
            kept.add(
                end_s - 0.01, end_s - 0.01, end_s, end_s, 13, 200, int(Fault.STATUS if wrong else Fault.OK), each % 2
            )
        own = Measured(
            request=requests_of(job)[0], recorder=kept, origin_s=start_s, sides=[Side(connecting=Durations(), problems=[])],
            generator={"cpu_share": None, "loop_lag_ms": None}, steps=steps,
        )  # fmt: skip
        told = over_the_wire(parcel.account(own))
        parcels.append(parcel.unpack(told, [parcel.piece(kept.since(0), 0)]))
    steps = merge.steps(parcels)
    gathered = merge.Gathered([Window(0, "measure", 0, -1, 0, 5.0, 7.0, 5.0)], parcels)
    measured = Measured(
        request=requests_of(job)[0], recorder=gathered, origin_s=5.0, sides=[merge.side(parcels, 0)], steps=steps,
        generator=merge.generator(parcels), worker=gathered.worker,
    )  # fmt: skip
    table = results.Table(measured)
    assert len(table.rows) == 2 * 16
    found = results._stages(job, measured, table, 0)
    assert [(one["requests"], one["rps"], one["errors"]) for one in found] == [(190, 190.0, {"status": 10})] * 2
    taken = {one.pop("name"): one for one in results._steps(measured, table, 0) or []}
    about = {"method": "GET", "mean_ms": pytest.approx(10.0)}
    assert taken == {
        "list": {**about, "requests": 180, "errors": {"status": 20}},
        "open": {**about, "requests": 200, "errors": {}},
    }


def over_the_wire(told: Any) -> Any:
    return msgpack.loads(msgpack.dumps(told), strict_map_key=False)


def shift_clock(one: Any, ahead_s: float) -> None:
    """As if the clock there were ahead."""
    for name in ("intended_s", "start_s", "first_byte_s", "end_s"):
        one.rows[name] += ahead_s
    for window in one.windows:
        window.start_s, window.end_s = window.start_s + ahead_s, window.end_s + ahead_s
    for account in one.beyond.accounts.values():
        account.last_end_s += ahead_s
    one.beyond.seconds = [replace(second, second=second.second + ahead_s) for second in one.beyond.seconds]


@pytest.mark.parametrize("ahead_s", [0.0, -3.5, 1e6])
def test_another_clock_is_read_to_within_half_the_way(ahead_s: float) -> None:
    rng = random.Random(2)
    offset = Offset()
    assert offset.read(0.0) == (0.0, 0.0)
    for number in range(20):
        sent_s = float(number)
        there_s, back_s, works_s = rng.uniform(1e-4, 9e-3), rng.uniform(1e-4, 9e-3), rng.uniform(0, 0.5)
        received_s = sent_s + there_s
        offset.add(sent_s, received_s + ahead_s, received_s + works_s + ahead_s, received_s + works_s + back_s)
        found_s, within_s = offset.read(received_s + works_s + back_s)
        assert abs(found_s - ahead_s) <= within_s + 1e-9
    _, soon = offset.read(20.0)
    assert soon < 0.005, "one short way among twenty is enough"
    _, later = offset.read(20.0 + 60.0)
    assert later - soon == pytest.approx(60.0 * 2e-4), "clocks drift apart"
    offset.add(100.0, 100.0, 200.0, 200.0)
    assert offset.read(200.0)[1] > 0.01, "over so long a time two clocks say nothing of each other"


def test_shares_add_up_to_the_job(tmp_path: Path) -> None:
    targets = (Target(id="a", host="h", port=1, connections=7), Target(id="b", unix="/x", connections=2))
    job = Job(
        version=1, mode="open", scenario="db", rate_rps=9.0, targets=targets, measure_s=1.0, requests_path=tmp_path / "x", slices_path=None,
        result_path=tmp_path / "y", workers=Workers(cpus=(0, 0)), parameters={"x": 1},
    )  # fmt: skip
    shares = [job_file.parse(over_the_wire(share(job, part, 2)), "share") for part in range(2)]
    assert [[target.connections for target in own.targets] for own in shares] == [[4, 1], [3, 1]]
    for own in shares:
        assert own.requests_path is None
        assert own.workers is None
        assert (own.rate_rps, own.seed, own.parameters, own.targets[1].unix) == (9.0, 0, {"x": 1}, "/x")
        assert own.keep_requests == job.keep_requests / 2
    few = replace(job, workers=Workers(cpus=(0,), remote=2))
    with pytest.raises(LoadError, match="b: 2 connections cannot be shared out to 3 workers; give it at least 3"):
        Leader(few)


def test_damaged_pieces_are_refused() -> None:
    told = {"rows": 2, "windows": [], "beyond": None, "steps": [], "sides": [], "generator": {}}
    rows = np.zeros(2, ROW)
    rows["end_s"] = [1.5, 2.5]
    assert np.array_equal(parcel.unpack(told, [parcel.piece(rows, 0)]).rows, rows)
    for packed in (parcel.piece(rows[:1], 0), parcel.piece(np.zeros(9, ROW), 0)):
        with pytest.raises(ValueError, match="damaged"):
            parcel.unpack(told, [packed])


def test_a_worker_that_dies_fails_the_job_in_one_line(serve: Any, load: Any) -> None:
    server = serve(lambda number: [GOOD])

    class Killer(Silent):
        def wait(self, word: str) -> None:
            if word == "go":
                gevent.spawn_later(0.2, lambda: os.kill(children()[0], signal.SIGKILL))

    with pytest.raises(
        LoadError, match=r"worker \d of this machine .* has ended \(signal 9\): the load was not what"
    ) as caught:
        load(server.port, workers=TWO, measure_s=30.0, control=Killer())
    assert "\n" not in str(caught.value)
    assert children() == []


def test_a_worker_that_falls_silent_fails_the_job(serve: Any, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master_module, "SILENT_S", 2.0)
    server = serve(lambda number: [GOOD])

    class Stopper(Silent):
        def wait(self, word: str) -> None:
            if word == "go":
                os.kill(children()[0], signal.SIGSTOP)

    with pytest.raises(LoadError, match=r"has been silent for 2 s"):
        load(server.port, workers=TWO, measure_s=30.0, control=Stopper())
    assert children() == [], "also the one that cannot hear"


def test_a_job_that_is_stopped_keeps_what_all_workers_have(serve: Any, load: Any) -> None:
    server = serve(lambda number: [GOOD])
    me = gevent.getcurrent()

    def stop_soon() -> None:
        until(lambda: server.requests, nap=gevent.sleep)  # on a busy machine it may be long until anything begins
        gevent.sleep(0.3)
        me.throw(Stopped)

    class Impatient(Silent):
        def wait(self, word: str) -> None:
            if word == "go":
                gevent.spawn(stop_soon)

    outcome = load(server.port, workers=TWO, measure_s=30.0, control=Impatient())
    assert outcome.result["stopped"] is True
    assert 0.1 < outcome.first["seconds"] < 5
    assert outcome.first["requests"] > 0
    assert set(outcome.measured.worker.tolist()) == {0, 1}
    assert 0 <= server.requests - len(outcome.table.rows) <= 4, "but for what was in flight"


def test_a_rate_that_is_stopped_tells_the_unanswered_of_all_workers(serve: Any, load: Any) -> None:
    server, me = serve(lambda number: [HANG]), gevent.getcurrent()

    def stop_soon() -> None:
        until(lambda: server.requests, nap=gevent.sleep)
        gevent.sleep(0.3)
        me.throw(Stopped)

    class Impatient(Silent):
        def wait(self, word: str) -> None:
            if word == "go":
                gevent.spawn(stop_soon)

    keys = {"mode": "open", "rate_rps": 200.0, "arrivals": "constant", "measure_s": 30.0}
    outcome = load(server.port, workers=TWO, control=Impatient(), **keys)
    assert outcome.first["offered_rps"] == pytest.approx(200.0, rel=0.2)
    assert outcome.first["unanswered"] == pytest.approx(200.0 * outcome.first["seconds"], rel=0.2)


def test_what_is_told_to_stop_while_records_are_fetched_is_not_lost(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ctrl-C does it: the process is told to stop when all is measured, and what was measured is on its way."""
    server = serve(lambda number: [GOOD])
    job = {
        "version": 1, "mode": "closed", "scenario": "plaintext", "measure_s": 0.2, "requests_path": str(tmp_path / "requests.parquet"),
        "slices_path": None, "result_path": str(tmp_path / "result.json"), "workers": {"cpus": list(TWO.cpus)},
        "targets": [{"id": "t", "host": "127.0.0.1", "port": server.port, "connections": 4}],
    }  # fmt: skip
    (tmp_path / "job.json").write_text(json.dumps(job))
    said: list[str] = []

    class Heard(Silent):
        def __init__(self, **how: Any) -> None: ...

        def emit(self, event: str, **fields: Any) -> None:
            said.append(f"{event} {fields}" if event == "done" else event)

        def close(self) -> None: ...

    monkeypatch.setattr(by_job, "take_stdout", lambda: -1)
    monkeypatch.setattr(by_job, "Control", Heard)
    monkeypatch.setattr(gevent, "signal_handler", lambda *how: None)
    run = by_job.JobRun(tmp_path / "job.json")
    fetch, fetched = Leader._fetch, []

    def slowly(self: Leader, *asked: Any) -> Any:
        run.stop()
        gevent.sleep(0.2)
        fetched.append(fetch(self, *asked))
        return fetched[-1]

    monkeypatch.setattr(Leader, "_fetch", slowly)
    try:
        gevent.spawn(run.run, Environment(user_classes=[])).get(timeout=60)
    finally:
        gc.unfreeze()
    assert len(fetched) == 2
    assert said[-1] == "done {'stopped': False}", "it came too late to cut anything short"
    (target,) = json.loads((tmp_path / "result.json").read_text())["targets"]
    assert target["window_requests"] == server.requests > 0
    assert pq.read_table(tmp_path / "requests.parquet").num_rows == server.requests
    assert children() == []


def test_a_shielded_call_ends_as_it_would_have() -> None:
    def call(outcome: Any) -> Any:
        gevent.sleep(0.05)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    for outcome in (7, LoadError("wrong"), Stopped()):
        running = gevent.spawn(lambda outcome=outcome: shielded(lambda: call(outcome)))
        gevent.sleep(0.01)
        running.kill(Stopped, block=False)
        running.join()
        assert (running.value if outcome == 7 else running.exception) is outcome


def test_timeouts_are_waited_for(serve: Any, load: Any) -> None:
    server = serve(lambda number: [HANG])
    outcome = load(server.port, workers=TWO, measure_s=0.2, timeout_s=0.3, connections=2)
    assert outcome.first["errors"] == {"timeout": 2}


def test_remote_workers_come_serve_several_jobs_and_have_their_clocks_read(serve: Any, load: Any, helper: Any) -> None:
    server, port = serve(lambda number: [GOOD]), free_port()
    processes = [helper(port), helper(port)]
    for _ in range(2):
        outcome = load(server.port, workers=Workers(remote=2, port=port), measure_s=0.2)
        told = outcome.result["workers"]
        assert [one["number"] for one in told] == [0, 1]
        for one in told:
            # The clock of this machine is read from afar: the answer is 0, and lies within what is said of it.
            assert abs(one["clock"]["ahead_ms"]) <= one["clock"]["within_ms"]
            assert one["host"] == socket.gethostname()
        assert set(outcome.measured.worker.tolist()) == {0, 1}
    assert len(outcome.table.rows) < server.requests, "two jobs were counted there"
    for process in processes:
        assert process.poll() is None, "they wait for the next one"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_worker_refuses_strangers_and_sockets_that_it_was_not_told_of(load: Any, helper: Any, tmp_path: Path) -> None:
    port = free_port()
    helper(port)
    target = Target(id="x", host="192.0.2.1", port=80, connections=1)
    job = Job(
        version=1, mode="closed", scenario="plaintext", targets=(target,), measure_s=0.1, requests_path=None, slices_path=None,
        result_path=tmp_path / "r", workers=Workers(remote=1, port=port),
    )  # fmt: skip
    with pytest.raises(LoadError, match=r"may not load 192\.0\.2\.1; start it with --allow-host 192\.0\.2\.1"):
        Leader(job).run(Silent())  # type: ignore[arg-type]
    told: list[dict[str, Any]] = []
    for host, allowed, refused in [
        ({"unix": "/x.sock"}, [], True), ({"unix": "/x.sock"}, ["/x.sock"], False), ({"unix": "/x.sock"}, None, False),
        ({"host": "::1", "port": 80}, [], False), ({"host": "192.0.2.1", "port": 80}, ["192.0.2.1"], False),
    ]:  # fmt: skip
        own = replace(job, targets=(Target(id="x", connections=1, **host),))  # type: ignore[arg-type]
        hand = Hand(told.append, allowed)
        hand.order({"id": 7, "do": "job", "job": json.loads(json.dumps(share(own, 0, 1))), "part": 0, "parts": 1})
        gevent.sleep(0.01)
        assert ("may not load" in told[-1].get("error", "")) is refused, (host, told[-1])
        hand.close()


def test_a_worker_does_not_even_try_whether_a_stranger_accepts_connections(
    known_as: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A name may have several addresses, of which only some may be loaded."""
    told: list[dict[str, Any]] = []
    tried: list[str] = []

    def accepts(family: Any, place: Any) -> bool:
        tried.append(place[0])
        return bool(place[0] == "127.0.0.1")

    monkeypatch.setattr(address, "_accepts", accepts)
    job = Job(
        version=1, mode="closed", scenario="plaintext", targets=(Target(id="x", host="mixed.example", port=80, connections=1),),
        measure_s=0.1, requests_path=None, slices_path=None, result_path=tmp_path / "r",
    )  # fmt: skip
    stranger, other, own = "192.0.2.1", "192.0.2.2", "127.0.0.1"
    for allowed, addresses, asked, refused in [
        ([], [stranger, own], [own], None), (["mixed.example"], [stranger, own], [stranger, own], None),
        (None, [stranger, own], [stranger, own], None), ([other], [stranger, other], [other], stranger),
        ([], [stranger, other], [], stranger),
    ]:  # fmt: skip
        told.clear()
        tried.clear()
        known_as("mixed.example", *addresses)
        hand = Hand(told.append, allowed)  # type: ignore[arg-type]
        hand.order({"id": 7, "do": "job", "job": over_the_wire(share(job, 0, 1)), "part": 0, "parts": 1})
        until(lambda: told, nap=gevent.sleep)
        assert tried == asked
        assert told[0].get("error", "").partition("; ")[2] == (
            f"start it with --allow-host {refused}" if refused else ""
        )
        hand.close()


def test_who_waits_in_vain_is_told_what_to_start(load: Any) -> None:
    port = free_port()
    with pytest.raises(LoadError, match=rf"0 of 1 workers came within 0\.5 s; start them: bench load-worker .*{port}"):
        load(1, workers=Workers(remote=1, port=port, wait_s=0.5))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(LoadError, match="cannot listen on"):
        load(1, workers=Workers(remote=1, port=taken.getsockname()[1], wait_s=0.5))


def test_a_worker_without_a_leader_gives_up(helper: Any) -> None:
    process = helper(free_port(), "--patience", "0.2")
    assert process.wait(20) == 1
    assert b"no leader at 127.0.0.1" in process.stderr.read()


def test_patience_ends_where_somebody_else_listens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[bool | None] = []

    def serve_next(options: Any) -> bool | None:
        served.append(then.pop(0) if then else None)
        return served[-1]

    monkeypatch.setattr(worker_module, "_serve", serve_next)
    monkeypatch.setattr(worker_module, "_PAUSE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        options: Any = SimpleNamespace(master="127.0.0.1", port=stranger.getsockname()[1], patience=0.2, once=True)
        then = [None, False]
        assert worker_module._work(options) == 1
        assert served[:2] == [None, False], "a leader that left begins it anew"
        assert set(served[2:]) == {None}
        assert "within 0.2 s; somebody else listens there" in capsys.readouterr().err
        then = [None, True]
        options.patience = 600.0
        assert worker_module._work(options) == 0


def test_nothing_is_left_of_a_search_that_found_no_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "CONNECT_TIMEOUT", 0.05)
    monkeypatch.setattr(runners, "CONNECT_RETRY_COUNT", 0)
    threads = []
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        options: Any = SimpleNamespace(master="127.0.0.1", port=stranger.getsockname()[1])
        for _ in range(4):
            assert worker_module._serve(options) is None
            threads.append(len(list(Path("/proc/self/task").iterdir())))
    assert threads[-1] <= threads[0], "each of ZeroMQ's contexts has two"


def test_workers_end_with_a_leader_that_was_killed(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda number: [GOOD])
    job = {
        "version": 1, "mode": "closed", "scenario": "plaintext", "measure_s": 60.0, "requests_path": None, "slices_path": None,
        "result_path": str(tmp_path / "result.json"), "workers": {"cpus": list(TWO.cpus)},
        "targets": [{"id": "t", "host": "127.0.0.1", "port": server.port, "connections": 4}],
    }  # fmt: skip
    (tmp_path / "job.json").write_text(json.dumps(job))
    argv = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(ROOT / "loadtests" / "locustfile.py"),
        "--headless",
        "--forkloop-job",
    ]
    with (tmp_path / "log").open("wb") as log:
        leader = subprocess.Popen(
            [*argv, str(tmp_path / "job.json")], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
    assert leader.stdin is not None
    assert leader.stdout is not None
    try:
        assert json.loads(leader.stdout.readline())["event"] == "ready", (tmp_path / "log").read_text()
        leader.stdin.write(b"go\n")
        leader.stdin.flush()
        said = [json.loads(leader.stdout.readline())["event"] for _ in range(2)]
        assert said == ["window", "progress"]
    finally:
        leader.kill()
        leader.wait()
        leader.stdin.close()
        leader.stdout.close()
    # Both load until they see that the leader's end of their standard input is gone.
    deadline = time.monotonic() + 10
    while True:
        before = server.requests
        time.sleep(0.3)
        if server.requests == before:
            break
        assert time.monotonic() < deadline


def test_by_hand_locusts_own_workers_share_the_rate(serve: Any) -> None:
    server, port = serve(lambda number: [GOOD]), free_port()
    locust = [
        sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--host", f"http://127.0.0.1:{server.port}",
    ]  # fmt: skip
    workers = [
        subprocess.Popen([*locust, "--worker", "--master-port", str(port)], cwd=ROOT, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    try:
        argv = [*locust, "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port), "--expect-workers", "2",
                "--headless", "-u", "4", "-r", "4", "-t", "2s", "--rate", "100", "--arrivals", "constant", "--json"]  # fmt: skip
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=60, check=False)
    finally:
        for one in workers:
            one.kill()
            one.wait()
    (entry,) = json.loads(done.stdout)
    assert 100 < server.requests < 1.3 * 200, "100 a second for 2 s, not twice that"
    assert 0 <= server.requests - entry["num_requests"] <= 20


def test_steps_of_a_journey_have_one_numbering() -> None:
    """Workers number them in the order in which they first took them."""

    def brought(steps: list[tuple[str, str]], taken: list[int]) -> parcel.Parcel:
        rows = np.zeros(len(taken), ROW)
        rows["step"] = taken
        return parcel.Parcel(rows=rows, windows=[], beyond=None, steps=steps, sides=[], generator={})

    first = brought([("GET", "list"), ("POST", "list")], [0, 1, -1, 0])
    second = brought([("POST", "list"), ("GET", "open"), ("GET", "list")], [0, 1, 2, -1])
    merged = merge.steps([first, second])
    assert list(zip(merged.methods, merged.names, strict=True)) == [("GET", "list"), ("POST", "list"), ("GET", "open")]
    assert first.rows["step"].tolist() == [0, 1, -1, 0]
    assert second.rows["step"].tolist() == [1, 2, 0, -1]
    with pytest.raises(IndexError):
        merge.steps([brought([("GET", "list")], [2])])


def test_a_journeys_users_are_shared_out(serve: Any, load: Any) -> None:
    server = serve(lambda number: [GOOD])
    outcome = load(server.port, scenario="items", workers=TWO, measure_s=0.3, connections=2)
    rows = outcome.table.rows
    assert len(rows) == server.requests
    assert set(outcome.measured.worker.tolist()) == {0, 1}
    assert rows["step"].min() >= 0
    assert outcome.first["problems"], "this server knows no items, and both say so"
