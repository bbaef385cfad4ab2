"""Two runs: what changed, with the machine's own shift taken out by the stacks that cannot have changed."""

import json
import math
import random
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from analysis import __main__ as command
from analysis.between import Between, Effect, _satterthwaite, _shift, _welch, between, text
from analysis.frames import load
from analysis.stats.distributions import of_each, t_quantile
from bench.model import BenchError

STACKS = ("ant/plain/direct", "bee/plain/direct", "cat/plain/direct", "dog/plain/direct")
TRIAL = {
    "schema": 1, "view": "capacity", "scenario": "db", "mode": "native", "status": "measured", "seconds": 1.0, "window_requests": None,
    "flags": [], "errors": {}, "reason": None, "log_tail": None, "latency_ms": None, "offered_rps": None,
}  # fmt: skip


def run(
    folder: Path, name: str, *, factors: Mapping[str, float], blocks: int = 6, seed: int = 1, spread: float = 0.01,
    trial: Mapping[str, Any] = MappingProxyType({}), **header: Any,
) -> Path:  # fmt: skip
    """A stored run of `STACKS` at 1,000 requests/s times their factor, each deployment within 1% (`spread`) of it.

    `trial`: keys of every record, with a value for all or one for each stack.
    """
    made = folder / name
    made.mkdir()
    rng = random.Random(seed)
    known = {
        "schema": 1, "run_id": name, "status": "finished", "mode": "native", "profile": "standard", "environment": {"host": "one"},
        "placement": {}, "plan": {"stacks": [], "scenarios": ["db"]}, "observed": {},
        "hashes": {"contract": "c", "stacks": {stack: {"app": stack} for stack in STACKS}},
    }  # fmt: skip
    (made / "run.json").write_text(json.dumps({**known, **header}))
    trials = [
        {
            **TRIAL, "run_id": name, "trial_id": f"{block}-{stack}-{copy}", "deployment_id": f"{block}-{stack}-{copy}", "stack": stack,
            "block": block, "copy": copy, "rps": rate, "requests": round(rate),
            **own(trial, stack),
        }
        for block in range(blocks) for stack in factors for copy in range(2)
        for rate in [1000 * factors[stack] * rng.gauss(1.0, spread)]
    ]  # fmt: skip
    (made / "trials.jsonl").write_text("".join(json.dumps(one) + "\n" for one in trials))
    return made


def own(trial: Mapping[str, Any], stack: str) -> dict[str, Any]:
    """What of `trial` is one stack's."""
    each = {key: value for key, value in trial.items() if isinstance(value, Mapping) and set(value) & set(STACKS)}
    return {key: value for key, value in trial.items() if key not in each} | {
        key: value[stack] for key, value in each.items() if stack in value
    }


def compared(one: Path, other: Path, **how: Any) -> Between:
    return between(load(one), load(other), **how)


def of(found: Between, stack: str) -> Effect:
    (effect,) = [one for one in found.effects if one.stack == stack]
    return effect


SAME = dict.fromkeys(STACKS, 1.0)
CHANGED = {"contract": "c", "stacks": {**{stack: {"app": stack} for stack in STACKS}, STACKS[0]: {"app": "edited"}}}


def test_what_the_machine_did_to_all_is_not_the_changed_stacks(tmp_path: Path) -> None:
    slower = dict.fromkeys(STACKS, 0.8) | {STACKS[0]: 0.8 * 0.9}
    found = compared(run(tmp_path, "a", factors=SAME), run(tmp_path, "b", factors=slower, seed=2, hashes=CHANGED))
    ant = of(found, STACKS[0])
    assert ant.ratio == pytest.approx(0.9, rel=0.02)
    assert ant.shift == pytest.approx(0.8, rel=0.02)
    assert ant.low is not None
    assert ant.high is not None
    assert ant.low < 0.9 < ant.high < 1
    assert (ant.answer, ant.changed, ant.blocks) == ("different", True, (6, 6))
    assert {of(found, stack).answer for stack in STACKS[1:]} <= {"equivalent", "unresolved"}
    assert not any(of(found, stack).changed for stack in STACKS[1:])


FIVE = (*STACKS, "eel/plain/direct")


def two_runs(folder: Path, later: Iterable[float], **how: Any) -> tuple[Path, Path]:
    """Two runs of as many stacks as there are factors of the `later` one. The first stack was edited between them, the others were not."""
    factors = dict(zip(FIVE, later, strict=False))
    before, after = (
        {"contract": "c", "stacks": {stack: {"app": edited if stack == FIVE[0] else stack} for stack in factors}}
        for edited in ("plain", "edited")
    )
    first = run(folder, "a", factors=dict.fromkeys(factors, 1.0), hashes=before, **how)
    return first, run(folder, "b", factors=factors, seed=2, hashes=after, **how)


def test_what_unchanged_stacks_differ_by_is_in_the_interval(tmp_path: Path) -> None:
    """The machine shifted those by -6% to +6%: that the changed one is 6% slower is no more than that."""
    found = compared(*two_runs(tmp_path, (0.94, 0.94, 0.98, 1.02, 1.06)), fail_if="slower than 3%")
    assert (found.failures, found.unjudged) == ((), ())
    assert (of(found, FIVE[0]).answer, of(found, FIVE[0]).controls) == ("unresolved", 4)


def test_a_change_beyond_all_that_unchanged_stacks_differ_by_still_fails(tmp_path: Path) -> None:
    found = compared(*two_runs(tmp_path, (0.7, 1.0, 1.0, 1.0, 1.0)), fail_if="slower than 3%")
    assert [line.split()[0] for line in found.failures] == [FIVE[0]]
    assert found.unjudged == ()


def test_the_interval_of_stacks_that_vary_from_run_to_run_alone(tmp_path: Path) -> None:
    later = (0.94, 0.98, 1.02, 1.06)
    ant = of(compared(*two_runs(tmp_path, (0.9, *later), spread=0.0)), FIVE[0])
    logs = [math.log(factor) for factor in later]
    half = t_quantile((1 + of_each(0.95, 5)) / 2, 3) * math.sqrt(statistics.variance(logs) * (1 + 1 / 4))
    effect = math.log(0.9) - statistics.mean(logs)
    assert (ant.low, ant.high) == pytest.approx((math.exp(effect - half), math.exp(effect + half)))


@pytest.mark.parametrize("spread", [0.0, 1.0, 2.0])
def test_intervals_hold_the_truth_however_unlike_the_machine_shifts_stacks(spread: float) -> None:
    """Three controls, six blocks of each run. `spread`: of shifts, in units of an effect's own error."""
    rng, held, runs = np.random.default_rng(1), 0, 600
    for _ in range(runs):
        shifts = rng.normal(0, spread, 4)
        effect, *controls = [_welch(*rng.normal([[0.0], [shift]], math.sqrt(3), (2, 6))) for shift in shifts]
        shift, added = _shift(controls)
        variance, df = _satterthwaite([*effect[1], *added])
        held += abs(effect[0] - shift) <= t_quantile(0.975, df) * math.sqrt(variance)
    assert 0.935 * runs <= held


@pytest.mark.parametrize(("factor", "judged"), [(0.7, False), (1.0, True)])
def test_one_unchanged_stack_alone_does_not_tell_how_unlike_shifts_are(
    tmp_path: Path, factor: float, judged: bool
) -> None:
    """What would fail is not judged; what would not, would not by a wider interval either."""
    both = two_runs(tmp_path, (factor, 1.0))
    found = compared(*both, fail_if="slower than 5%")
    ant = of(found, FIVE[0])
    assert (ant.answer, ant.verdict, ant.controls) == (None, "one unchanged stack alone", 1)
    assert ant.ratio == pytest.approx(factor, rel=0.02)
    assert found.failures == ()
    assert len(found.unjudged) == (0 if judged else 1)
    assert all(
        line.endswith("one unchanged stack alone tells the machine's shift, keep two") for line in found.unjudged
    )
    assert "one unchanged stack alone tells the machine's shift, not how unlike it is: no answers; keep two" in text(
        found
    )
    assert command.main(["between", *map(str, both), "--html", str(tmp_path)]) == 0
    page = (tmp_path / "compare-a-b.html").read_text("utf-8")
    assert "One unchanged stack alone tells what the machine did" in page
    assert "<td>one unchanged stack alone</td>" in page


def test_an_unchanged_stack_of_which_one_other_tells_the_shift_got_no_worse(tmp_path: Path) -> None:
    found = compared(*two_runs(tmp_path, (1.0, 0.7, 1.0)), fail_if="slower than 5%")
    assert [of(found, stack).controls for stack in FIVE[:3]] == [2, 1, 1]
    assert (found.failures, found.unjudged) == ((), ())


def test_two_stacks_that_were_shifted_very_unequally_leave_a_number_for_a_bound(tmp_path: Path) -> None:
    ant = of(compared(*two_runs(tmp_path, (1.0, 0.1, 10.0))), FIVE[0])
    assert ant.high is not None
    assert ant.high == pytest.approx(1e6 * ant.ratio)


def test_without_unchanged_stacks_the_shift_stays_in_and_that_is_said(tmp_path: Path) -> None:
    others = {"contract": "another", "stacks": {}}
    found = compared(
        run(tmp_path, "a", factors=SAME), run(tmp_path, "b", factors=dict.fromkeys(STACKS, 0.8), seed=2, hashes=others)
    )
    assert of(found, STACKS[0]).ratio == pytest.approx(0.8, rel=0.02)
    assert of(found, STACKS[0]).shift is None
    assert "no stack is unchanged in both, so what the machine did between the runs is in every effect" in text(found)
    assert "contract differs" in text(found)


def answered(rates: Mapping[str, float]) -> dict[str, int]:
    return {stack: round(10 * rate) for stack, rate in rates.items()}


def latency(rates: Mapping[str, float], view: str = "latency", **changes: Any) -> dict[str, Any]:
    """The keys of a trial in an open loop, for `run`: 10 s at the stack's rate, all of it answered, in 5 ms and up to 20 ms."""
    return {
        "view": view, "seconds": 10.0, "offered_rps": rates, "requests": answered(rates),
        "latency_ms": {"p50": 5.0, "p90": 10.0, "p99": 20.0, "max": 25.0, "samples": 10000}, **changes,
    }  # fmt: skip


RATES = dict(zip(STACKS, (100.0, 313.0, 977.0, 2000.0), strict=True))


@pytest.mark.parametrize("view", ["latency", "latency-80"])
@pytest.mark.parametrize("factor", [1.0, 1.01, 0.99, 1.045, 1 / 1.045])
def test_latencies_at_about_the_same_rate_are_compared_whatever_the_rate(
    tmp_path: Path, view: str, factor: float
) -> None:
    later = {stack: factor * rate for stack, rate in RATES.items()}
    found = compared(
        run(tmp_path, "a", factors=SAME, trial=latency(RATES, view)),
        run(tmp_path, "b", factors=SAME, seed=2, trial=latency(later, view)),
    )
    assert (found.not_compared, found.only) == ((), {"first": (), "second": ()})
    assert {(one.metric, one.stack, one.view) for one in found.effects} == {
        (metric, stack, view) for metric in ("p50_ms", "p99_ms") for stack in STACKS
    }
    assert f"cat/plain/direct db {view} at 977/s, {977 * factor:,.0f}/s" in text(found)


def test_a_latency_at_another_rate_is_not_compared_and_says_so(tmp_path: Path) -> None:
    later = RATES | {STACKS[0]: 106.0}
    found = compared(
        run(tmp_path, "a", factors=SAME, trial=latency(RATES)),
        run(tmp_path, "b", factors=SAME, seed=2, trial=latency(later)),
    )
    assert {(one.metric, one.stack, one.reason) for one in found.not_compared} == {
        (metric, STACKS[0], "offered: 100/s and 106/s") for metric in ("p50_ms", "p99_ms")
    }
    assert {one.stack for one in found.effects} == set(STACKS[1:])
    assert compared(tmp_path / "a", tmp_path / "b", fail_if="slower than 5%").unjudged == ()
    assert {one.shift for one in found.effects} == {1.0}, "own loads of unchanged stacks tell the shift of each other"


BOUND = {"flags": {STACKS[0]: ["generator-bound"]}}


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (BOUND, BOUND, "generator-bound in both runs"),
        (BOUND, {}, "generator-bound in the first run"),
        ({}, {"flags": {STACKS[0]: ["database-bound"]}}, "database-bound in the second run"),
        (BOUND, {"flags": {STACKS[0]: ["database-bound"]}}, "generator-bound and database-bound in both runs"),
    ],
)  # fmt: skip
def test_a_bound_is_no_figure_to_compare(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], reason: str
) -> None:
    more = {"cpu_s": {"app": 0.5}, "window_requests": 1000}
    found = compared(
        run(tmp_path, "a", factors=SAME, trial=more | first),
        run(tmp_path, "b", factors=SAME, seed=2, trial=more | second),
    )
    (left,) = found.not_compared
    assert (left.metric, left.stack, left.reason) == ("capacity_rps", STACKS[0], reason)
    assert {one.stack for one in found.effects if one.metric == "capacity_rps"} == set(STACKS[1:])
    assert {one.stack for one in found.effects if one.metric == "cpu_ms"} == set(STACKS)
    assert f"  ant/plain/direct db capacity: throughput\n    {reason}" in text(found)


def test_a_bound_does_not_tell_what_the_machine_did(tmp_path: Path) -> None:
    """Whoever the generator bounds looks the same on a slower machine."""
    slower = dict.fromkeys(STACKS, 0.8) | {STACKS[0]: 1.0}
    found = compared(
        run(tmp_path, "a", factors=SAME, trial=BOUND), run(tmp_path, "b", factors=slower, seed=2, trial=BOUND)
    )
    assert of(found, STACKS[1]).shift == pytest.approx(0.8, rel=0.02)


@pytest.mark.parametrize(
    ("changes", "metrics", "reason"),
    [
        ({"requests": answered(RATES | {STACKS[0]: 80.0})}, {"p50_ms", "p99_ms"}, "load-not-reached in the second run"),
        ({"late": {STACKS[0]: ["p99"]}}, {"p99_ms"}, "generator-late in the second run"),
    ],
)
def test_a_latency_that_is_none_at_that_load_is_not_compared(
    tmp_path: Path, changes: dict[str, Any], metrics: set[str], reason: str
) -> None:
    found = compared(
        run(tmp_path, "a", factors=SAME, trial=latency(RATES)),
        run(tmp_path, "b", factors=SAME, seed=2, trial=latency(RATES, **changes)),
    )
    assert {(one.metric, one.stack, one.reason) for one in found.not_compared} == {
        (metric, STACKS[0], reason) for metric in metrics
    }


def test_figures_that_do_not_vary_have_an_interval_that_is_a_point(tmp_path: Path) -> None:
    still = {"requests": 1000}
    found = compared(
        run(tmp_path, "a", factors=SAME, trial=still), run(tmp_path, "b", factors=SAME, seed=2, trial=still)
    )
    assert {(one.ratio, one.low, one.high, one.shift) for one in found.effects} == {(1.0, 1.0, 1.0, 1.0)}


def test_few_blocks_have_an_effect_and_no_interval(tmp_path: Path) -> None:
    found = compared(run(tmp_path, "a", factors=SAME, blocks=2), run(tmp_path, "b", factors=SAME, seed=2))
    assert {(one.low, one.high, one.answer) for one in found.effects} == {(None, None, None)}
    assert "fewer than 6 blocks in one of them: no intervals, and no answers" in text(found)


@pytest.mark.parametrize(
    ("rule", "failed"),
    [("slower than 5%", True), ("slower than 2.5%", True), ("slower than 30%", False), ("larger than 5%", False)],
)
def test_a_rule_fails_only_for_what_is_sure(tmp_path: Path, rule: str, failed: bool) -> None:
    slower = SAME | {STACKS[0]: 0.85}
    found = compared(
        run(tmp_path, "a", factors=SAME), run(tmp_path, "b", factors=slower, seed=2, hashes=CHANGED), fail_if=rule
    )
    assert bool(found.failures) is failed
    if failed:
        assert found.failures[0].startswith("ant/plain/direct db capacity: throughput -1")
        assert found.failures[0].endswith(f", {rule}")


@pytest.mark.parametrize("rule", ["slower", "slower than five", "faster than 5%", "slower than -5%"])
def test_a_rule_that_says_nothing(tmp_path: Path, rule: str) -> None:
    one = run(tmp_path, "a", factors=SAME)
    with pytest.raises(BenchError, match=r"--fail-if '.*': expected such as 'slower than 5%'"):
        compared(one, one, fail_if=rule)


def test_runs_with_nothing_in_common(tmp_path: Path) -> None:
    one, other = run(tmp_path, "a", factors={STACKS[0]: 1.0}), run(tmp_path, "b", factors={STACKS[1]: 1.0})
    with pytest.raises(BenchError, match="a and b have no stack, scenario and view in common"):
        compared(one, other)


def test_unlike_runs_are_named_as_such(tmp_path: Path) -> None:
    one = run(tmp_path, "a", factors=SAME)
    found = compared(one, run(tmp_path, "b", factors=SAME, seed=2, mode="compose", environment={"host": "two"}))
    assert found.unlike == ("mode: native and compose", "host: one and two")
    assert "these runs are unlike" in text(found)


def test_what_only_one_run_has_is_listed(tmp_path: Path) -> None:
    fewer = dict.fromkeys(STACKS[1:], 1.0)
    found = compared(run(tmp_path, "a", factors=SAME), run(tmp_path, "b", factors=fewer, seed=2))
    assert found.only == {"first": ("ant/plain/direct db capacity",), "second": ()}
    assert text(found).endswith("\n\nonly in the first run\n  ant/plain/direct db capacity")


def test_a_figure_that_only_one_run_has_of_a_cell_is_named(tmp_path: Path) -> None:
    costs = {"cpu_s": {"app": 0.5}, "window_requests": 1000}
    found = compared(run(tmp_path, "a", factors=SAME, trial=costs), run(tmp_path, "b", factors=SAME, seed=2))
    assert found.only["first"][0] == "ant/plain/direct db capacity: CPU per request"


def test_a_long_list_of_what_only_one_run_has_is_cut(tmp_path: Path) -> None:
    many = SAME | {f"ant/plain{number}/direct": 1.0 for number in range(22)}
    found = compared(run(tmp_path, "a", factors=SAME), run(tmp_path, "b", factors=many, seed=2))
    lines = text(found).splitlines()
    assert lines[lines.index("only in the second run") :][-2:] == ["  ant/plain19/direct db capacity", "  and 2 more"]


def test_the_command_and_its_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slower = SAME | {STACKS[0]: 0.85}
    one, other = run(tmp_path, "a", factors=SAME), run(tmp_path, "b", factors=slower, seed=2, hashes=CHANGED)
    assert command.main(["between", str(one), str(other)]) == 0
    assert command.main(["between", str(one), str(other), "--fail-if", "slower than 5%"]) == 1
    assert "FAILED:" in capsys.readouterr().out
    assert command.main(["between", str(one), str(other), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == 1
    assert {effect["stack"] for effect in told["effects"]} == set(STACKS)


def test_trust_says_what_holds_and_what_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = {"scenarios": ["db"], "stacks": [{"id": stack, "model": "loop", "framework": "ant"} for stack in STACKS]}
    slower = SAME | {STACKS[1]: 1 / 1.1}
    one = run(tmp_path, "a", factors=slower, plan=plan, seed=5)
    right = [f"{stack}={factor}" for stack, factor in slower.items()]
    assert command.main(["trust", str(one), *right]) == 0
    said = capsys.readouterr().out
    assert "6 pairs: 0 intervals without the truth, 0 equal pairs called different, 0 not compared" in said
    assert said.endswith("planted 10% or more: 3 of 3 found; less: 0 of 0 found\n")
    wrong = [f"{stack}=1.0" for stack in STACKS]
    assert command.main(["trust", str(one), *wrong]) == 1
    assert "3 intervals without the truth, 3 equal pairs called different" in capsys.readouterr().out
    few = run(tmp_path, "b", factors=slower, plan=plan, blocks=2)
    assert command.main(["trust", str(few), *right]) == 2
    assert "no intervals, so nothing can be judged" in capsys.readouterr().err


def test_trust_needs_every_pair_and_what_is_large_to_be_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Intervals so wide that they hold any truth, or pairs that were never compared, show nothing."""
    plan = {"scenarios": ["db"], "stacks": [{"id": stack, "model": "loop", "framework": "ant"} for stack in STACKS]}
    factors = SAME | {STACKS[1]: 1 / 1.05, STACKS[2]: 1 / 1.1}
    truth = [f"{stack}={factor}" for stack, factor in factors.items()]
    noisy = run(tmp_path, "a", factors=factors, plan=plan, seed=3, spread=0.15)
    assert command.main(["trust", str(noisy), *truth]) == 1
    said = capsys.readouterr().out
    assert "0 intervals without the truth, 0 equal pairs called different, 0 not compared" in said
    assert said.count("  NOT FOUND\n") == 2
    assert (
        "planted 10% or more: 0 of 2 found; less: 0 of 3 found, the others are within what this run cannot tell" in said
    )
    few = run(tmp_path, "b", factors={stack: factors[stack] for stack in STACKS[:3]}, plan=plan, spread=0.001)
    assert command.main(["trust", str(few), *truth]) == 1
    said = capsys.readouterr().out
    assert said.count("  NOT COMPARED\n") == 3
    assert "6 pairs: 0 intervals without the truth, 0 equal pairs called different, 3 not compared" in said
    assert command.main(["trust", str(few), *truth[:3]]) == 0
    assert "planted 10% or more: 1 of 1 found; less: 2 of 2 found\n" in capsys.readouterr().out
