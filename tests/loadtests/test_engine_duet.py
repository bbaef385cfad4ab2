"""Slices: every target in turn, in a seeded order in which each comes after each other equally often."""

import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import gevent
import pyarrow.parquet as pq
import pytest
from scripted_servers import BODY, CLOSE, GOOD, HANG, head

from loadtests import duet
from loadtests.closed import ClosedLoop
from loadtests.duet import multiples, order, visits
from loadtests.recorder import Recorder, clock


@pytest.mark.parametrize("targets", range(2, 14))
def test_order_is_balanced(targets: int) -> None:
    rounds = targets * (2 if targets % 2 else 1)
    slices = order(targets, rounds, 5)
    chunks = [slices[i : i + targets] for i in range(0, len(slices), targets)]
    assert all(sorted(chunk) == list(range(targets)) for chunk in chunks), "each round has every target once"
    after = Counter(pair for chunk in chunks for pair in pairwise(chunk))
    assert len(after) == targets * (targets - 1)
    assert len(set(after.values())) == 1, "each comes after each other equally often"
    places = Counter((place, target) for chunk in chunks for place, target in enumerate(chunk))
    assert len(set(places.values())) == 1, "each takes each place equally often"


def test_order_follows_the_seed_and_the_number_of_rounds() -> None:
    assert order(5, 7, 1) == order(5, 7, 1)
    assert order(5, 7, 1) != order(5, 7, 2)
    assert len(order(5, 7, 1)) == 35
    assert order(1, 3, 1) == [0, 0, 0]


def test_slices_are_loaded_in_turn_and_the_drain_is_left_out(
    serve: Any, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duet, "TURNS", 0)  # on a busy machine turns may be long, and slices longer for it
    servers = [serve(lambda number: [GOOD]) for _ in range(3)]
    ports = [server.port for server in servers]
    outcome = load(*ports, mode="duet", slice_s=0.02, measure_s=0.12, warmup_s=0.05, seed=9)
    expected = order(3, 6, 9)
    slices = pq.read_table(outcome.job.slices_path).to_pylist()
    assert [row["target"] for row in slices] == [f"t{target}" for target in expected]
    assert [row["slice"] for row in slices] == list(range(18))
    assert [row["preceded_by"] for row in slices] == [None, *(f"t{target}" for target in expected[:-1])]
    for row, following in pairwise(slices):
        assert abs(row["end_s"] - row["loaded_s"] - 0.02) < 1e-6
        assert abs(row["start_s"] - row["loaded_s"] - 0.2 * 0.02) < 1e-6
        assert row["end_s"] <= following["loaded_s"]
    ends = {row["slice"]: row["end_s"] for row in slices}
    starts = {row["slice"]: row["start_s"] for row in slices}
    requests = pq.read_table(outcome.job.requests_path, columns=["target", "phase", "end_s", "slice"]).to_pylist()
    for number, target in enumerate(outcome.targets):
        mine = [row for row in requests if row["target"] == f"t{number}"]
        assert len(mine) == servers[number].requests
        measured = [row for row in mine if row["phase"] == "measure"]
        lead = [row for row in mine if row["phase"] == "lead"]
        drained = [row for row in mine if row["phase"] == "drain"]
        assert target["requests"] == len(measured)
        assert target["requests"] == sum(row["requests"] for row in slices if row["target"] == f"t{number}")
        assert target["window_requests"] == len(lead) + len(measured) + len(drained)
        assert target["slices"] == 6
        assert abs(target["seconds"] - 0.8 * 0.12) < 1e-6
        assert target["rps"] == pytest.approx(target["requests"] / target["seconds"])
        assert 0 < len(drained) <= 6 * 4, "at most what was in flight at each slice's end"
        assert all(row["end_s"] >= ends[row["slice"]] for row in drained)
        assert all(starts[row["slice"]] <= row["end_s"] < ends[row["slice"]] for row in measured)
        assert all(row["end_s"] < starts[row["slice"]] for row in lead)
    assert outcome.control.events[:2] == ["ready", "<go"]
    assert outcome.control.events[-2:] == ["measured", "<end"]


def test_servers_that_close_chunk_or_write_in_parts_are_counted_alike(serve: Any, load: Any) -> None:
    chunked = head(None, extra=b"Transfer-Encoding: chunked\r\n")
    ways: list[list[Any]] = [
        [GOOD],
        [head(extra=b"Connection: close\r\n") + BODY, CLOSE],
        [chunked, b"5\r\nHello\r\n", b"8\r\n, World!\r\n0\r\n\r\n"],
        [head(), BODY],
    ]
    servers = [serve(lambda number, steps=steps: steps) for steps in ways]
    outcome = load(*[one.port for one in servers], mode="duet", slice_s=0.03, measure_s=0.12, warmup_s=0.03)
    rows, targets = outcome.table.rows, outcome.table.target
    for number, (server, told) in enumerate(zip(servers, outcome.targets, strict=True)):
        assert told["errors"] == {}
        assert 0 < told["requests"] <= told["window_requests"] <= server.requests
        assert (targets == number).sum() == server.requests
        assert set(rows["bytes"][targets == number]) == {len(BODY)}
        assert told["seconds"] == pytest.approx(0.8 * 0.12)
    closing = outcome.targets[1]
    assert closing["connects"] == closing["window_requests"], "one for each request, and timed"
    assert closing["connect_ms"]["count"] == closing["connects"]


def test_no_two_targets_are_loaded_at_once(serve: Any, load: Any) -> None:
    servers = [serve(lambda number: [GOOD]) for _ in range(2)]
    outcome = load(*(server.port for server in servers), mode="duet", slice_s=0.02, measure_s=0.1)
    outcome.assert_windows_hold_their_own_target_alone(servers)


class _Answering:
    """A connection that says of each request that it ended `after_s` after the end of the window; `sent_s`: when it asked in each."""

    is_open = True

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s
        self.sent_s: list[float] = []
        self.ends_s = 0.0
        self.driver: Any = None

    def submit(self, intended_s: float) -> None:
        self.sent_s.append(intended_s)
        gevent.spawn(lambda: self.driver.settled(self, self.ends_s + self.after_s))


class _Fixed:
    """A pool of those."""

    def __init__(self, connections: Sequence[_Answering]) -> None:
        self.connections = connections

    def drive(self, driver: Any) -> None:
        for one in self.connections:
            one.driver = driver


def test_a_slice_resumes_as_the_one_before_ended() -> None:
    """Who was answered 15 ms after its end asks 15 ms after the start, but none waits longer than one of ten turns."""
    connections = [_Answering(after_s) for after_s in (0.015, 0.005, 0.3, 0.01)]
    loop, recorder = ClosedLoop(_Fixed(connections)), Recorder()  # type: ignore[arg-type]
    began_s = []
    for number in range(3):
        window = recorder.open(
            target=0, phase="measure", slice=number, start_s=clock(), seconds=2.0, lead_s=(0.4, 0.4, 0.0)[number]
        )
        for one in connections:
            one.ends_s = window.end_s
        loop.run(window)
        began_s.append(window.start_s)
    first, second, third = ([one.sent_s[number] - began_s[number] for one in connections] for number in range(3))
    assert sorted(first) == first, "all at once, one after the other"
    assert sorted(third) == third, "and so they do where there is no lead"
    for after_s, least_s in zip(second, (0.015, 0.005, 0.2, 0.01), strict=True):
        assert after_s >= least_s - 1e-6, "none sooner; later where the machine is busy"
    assert sorted(range(4), key=lambda place: second[place]) == [1, 3, 0, 2]
    assert [len(one.sent_s) for one in connections] == [3, 3, 3, 3]


def test_who_falls_silent_is_left_out(serve: Any, load: Any) -> None:
    """After the slice in which it does, or the one after that: so the others get their time."""
    good, silent = serve(lambda number: [GOOD]), serve(lambda number: [GOOD] if number < 30 else [HANG])
    outcome = load(good.port, silent.port, mode="duet", slice_s=0.02, measure_s=0.2, timeout_s=0.3)
    told, left = outcome.targets
    assert (told["left_out"], left["left_out"]) == (False, True)
    assert (told["slices"], told["errors"]) == (10, {})
    assert left["errors"] in ({"timeout": 4}, {"timeout": 8})
    assert left["slices"] < 10
    assert left["requests"] <= 30
    assert left["problems"] == ["no answer within 0.3 s: left out from then on"]


def test_who_leaves_requests_unanswered_in_slice_after_slice_is_left_out(serve: Any, load: Any) -> None:
    """It answers others, so it is not silent; to wait for the timeout in each of 40 slices would take 40 s."""
    good, bad = serve(lambda number: [GOOD]), serve(lambda number: [HANG] if number % 50 == 49 else [GOOD])
    outcome = load(good.port, bad.port, mode="duet", slice_s=0.02, measure_s=0.8, timeout_s=1.0)
    told, left = outcome.targets
    assert (told["left_out"], told["slices"], told["errors"], told["problems"]) == (False, 40, {}, [])
    assert told["rps"] > 0
    assert left["left_out"] is True
    assert left["slices"] < 40
    assert left["requests"] > 0
    windows = [one for one in outcome.measured.recorder.windows if one.target == 1]
    waited = sum(one.drained_s - one.start_s >= 1.0 for one in windows)
    assert 1 <= waited <= 3, "two timeouts, and what is under way then"
    assert waited <= left["errors"]["timeout"] <= 4 * waited
    assert left["problems"][0].startswith("some requests in slice after slice had no answer within 1 s, and to wait")


def test_a_slow_target_gets_longer_slices_and_no_more_time() -> None:
    assert multiples(0.1, 30, [0.001, 0.01, 0.055, None, 9.0]) == [1, 1, 6, 1, 30]
    assert multiples(0.1, 30, [0.0098, 0.0102, 0.0099]) == [2, 2, 2], "near equals alike, whoever is the slower one"
    assert multiples(0.1, 30, [0.0102, 0.0204, 0.003]) == [2, 3, 1]
    assert multiples(1.0, 1, [0.5, 0.001]) == [1, 1]
    times = [1, 2, 6, 30]
    found = visits(4, 31, 7, times)
    assert [sum(length for target, length in found if target == number) for number in range(4)] == [31, 31, 31, 31]
    assert Counter(length for target, length in found if target == 2) == {6: 5, 1: 1}
    assert [length for target, length in found if target == 3] == [30, 1]
    assert visits(4, 31, 7, [1] * 4) == [(target, 1) for target in order(4, 31, 7)]


def test_slices_are_as_long_as_the_warm_up_says(serve: Any, load: Any) -> None:
    """One answers at once, the other after 40 ms on each of 4 connections: 10 turns are 400 ms, four slices' time."""

    def slow(number: int) -> list[Any]:
        time.sleep(0.04)
        return [GOOD]

    fast, late = serve(lambda number: [GOOD]), serve(slow)
    outcome = load(fast.port, late.port, mode="duet", slice_s=0.1, measure_s=0.6, warmup_s=0.1)
    lengths = {0: [], 1: []}  # type: dict[int, list[float]]
    for window in outcome.measured.recorder.windows:
        if window.phase == "measure":
            lengths[window.target].append(round(window.end_s - window.start_s, 6))
    assert [sum(lengths[target]) for target in (0, 1)] == pytest.approx([0.6, 0.6])
    assert min(lengths[0]) >= 0.1
    assert max(lengths[1]) >= 2 * max(lengths[0])
    assert len(lengths[0]) > len(lengths[1])


def test_a_load_too_short_for_a_slow_targets_turns_is_longer_for_it() -> None:
    times = multiples(0.1, 2, [0.001, 0.05, 0.015, 9.0])
    assert times == [1, 5, 2, 6], "up to 0.6 s"
    found = visits(4, 2, 7, times)
    assert Counter(found) == {(0, 1): 2, (1, 5): 1, (2, 2): 1, (3, 6): 1}
