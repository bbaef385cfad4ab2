"""Verdicts: the rule alone decides; controls, few replicates, missing arms and all-zero shares are said as what they are."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.claims import sentences
from analysis.claims.effects import Effect, effect, newcombe, wilson
from analysis.claims.records import load
from analysis.claims.rule import RuleError, claim, region
from analysis.claims.verdict import Judged, judge
from analysis.numbers import MIB
from bench.model import BenchError
from tests.analysis import stored_claims as stored

ARMS = [stored.arm("new"), stored.arm("old"), stored.arm("copy")]
SUPPORTED, REFUTED, OPEN = ([1.0, 1.01, 0.99, 1.0, 1.02, 0.98], [0.1] * 5 + [0.11], [0.2, 0.9, 0.5, 0.7, 0.4, 0.6])
CONTROL = stored.control("copies-alike", "rate", "copy", ">= 0.95, <= 1.05")
KEPT = [1.0] * 6


def t_quantile(probability: float, df: int) -> float:
    """As scipy has it, imported when it is needed: that takes half a second, and every process collects this file."""
    from scipy.stats import t

    return float(t.ppf(probability, df))


def judged(folder: Path, values: dict[str, Sequence[float]], checks: list[Any] | None = None, **head: Any) -> Judged:
    """The verdict on one claim whose arms have these values of `rate`."""
    both = checks or [stored.check("faster", "rate", "new", ">= 0.8", "< 0.3")]
    records = [one for name, found in values.items() for one in stored.several(3, name, "rate", found)]
    table = stored.claim(3, ARMS, both, [CONTROL])
    (found,) = judge(load(stored.write(folder, stored.header({3: table}, **head), records)))
    return found


def also(values: Sequence[float]) -> list[Any]:
    return [
        stored.check("faster", "rate", "new", ">= 0.8", "< 0.3"),
        stored.check("cheaper", "rate", "old", ">= 0.8", "< 0.3"),
    ]


@pytest.mark.parametrize(
    ("new", "old", "verdict"),
    [
        (SUPPORTED, SUPPORTED, "supported"), (REFUTED, REFUTED, "refuted"), (SUPPORTED, REFUTED, "depends"),
        (SUPPORTED, OPEN, "inconclusive"), (OPEN, REFUTED, "inconclusive"), (OPEN, OPEN, "inconclusive"),
    ],
)  # fmt: skip
def test_the_answers_of_all_checks_make_the_verdict(tmp_path: Path, new: Any, old: Any, verdict: str) -> None:
    found = judged(tmp_path, {"new": new, "old": old, "copy": KEPT}, also(old))
    assert (found.status, found.verdict, found.controls_ok) == ("judged", verdict, True)


def test_depends_says_on_what(tmp_path: Path) -> None:
    found = judged(tmp_path, {"new": SUPPORTED, "old": REFUTED, "copy": KEPT}, also(REFUTED))
    assert sentences.why(found).plain("en") == "It holds for: faster. It does not hold for: cheaper."
    assert "中文：cheaper" in sentences.why(found).plain("zh-Hans")


def test_an_open_claim_names_every_open_check_and_the_figure_of_the_first(tmp_path: Path) -> None:
    both = sentences.why(judged(tmp_path / "both", {"new": OPEN, "old": OPEN, "copy": KEPT}, also(OPEN)))
    assert re.fullmatch(
        r"Open: faster; cheaper\. Of the first, the interval 0\.\d+ \[.*\] lies in neither region\.", both.plain("en")
    )
    assert both.plain("zh-Hans").startswith("没有定论：中文：faster；中文：cheaper。")
    one = sentences.why(judged(tmp_path / "one", {"new": SUPPORTED, "old": OPEN, "copy": KEPT}, also(OPEN)))
    assert re.fullmatch(r"cheaper: the interval 0\.\d+ \[.*\] lies in neither region, so it is open\.", one.plain("en"))


def test_a_control_that_misbehaves_makes_the_claim_invalid_however_clear_its_checks_are(tmp_path: Path) -> None:
    found = judged(tmp_path, {"new": SUPPORTED, "copy": [1.2] * 6})
    assert (found.status, found.verdict, found.controls_ok) == ("invalid", "inconclusive", False)
    assert "“copies alike” gave 1.2 and must be ≥ 0.95, ≤ 1.05" in sentences.why(found).plain("en")


def test_a_control_that_was_not_measured_leaves_the_claim_open(tmp_path: Path) -> None:
    found = judged(tmp_path, {"new": SUPPORTED})
    assert (found.status, found.verdict, found.controls_ok) == ("judged", "inconclusive", None)
    assert "was not measured: no record of copy" in sentences.why(found).plain("en")


def test_fewer_than_three_replicates_give_no_interval_and_so_no_verdict(tmp_path: Path) -> None:
    found = judged(tmp_path, {"new": SUPPORTED[:2], "copy": KEPT})
    assert found.verdict == "inconclusive"
    assert not found.checks[0].effect.has_interval
    assert sentences.why(found).plain("en") == "faster: 2 replicates, and an interval needs 3."


@pytest.mark.parametrize("quick", [False, True])
def test_a_run_that_had_no_time_for_all_replicates_is_judged_by_what_it_has(tmp_path: Path, quick: bool) -> None:
    found = judged(tmp_path, {"new": SUPPORTED[:3], "copy": KEPT}, quick=quick)
    assert (found.verdict, found.checks[0].effect.n) == ("supported", 3)


def test_intervals_hold_together_over_the_checks_of_a_claim(tmp_path: Path) -> None:
    one = judged(tmp_path / "one", {"new": OPEN, "copy": KEPT}).checks[0].effect
    two = judged(tmp_path / "two", {"new": OPEN, "old": OPEN, "copy": KEPT}, also(OPEN)).checks[0].effect
    assert (two.high - two.low) / (one.high - one.low) == pytest.approx(
        t_quantile(1 - 0.0125, 5) / t_quantile(1 - 0.025, 5)
    )


def test_what_one_cpu_cannot_show_is_left_out_and_named(tmp_path: Path) -> None:
    wide = stored.check("scales", "rate", "old", ">= 0.8", "< 0.3", server_cpus=2)
    found = judged(tmp_path, {"new": SUPPORTED, "old": REFUTED, "copy": KEPT}, [*also(REFUTED)[:1], wide])
    assert (found.verdict, found.checks[1].answer) == ("supported", "left-out")
    assert "too few server CPUs: scales" in " ".join(said.plain("en") for said in sentences.sentence(found))
    alone = judged(tmp_path / "alone", {"old": SUPPORTED, "copy": KEPT}, [wide])
    assert alone.verdict == "inconclusive"
    assert sentences.why(alone).plain("en") == "Every check needs 2 server CPUs."


def test_a_failed_arm_is_told_with_its_reason(tmp_path: Path) -> None:
    table = stored.claim(3, ARMS, [stored.check("faster", "rate", "new", ">= 0.8", "< 0.3")], [CONTROL])
    records = [stored.record(3, "new", n, {}, status="failed", reason="worker exited 70") for n in range(6)]
    records += stored.several(3, "copy", "rate", KEPT)
    (found,) = judge(load(stored.write(tmp_path, stored.header({3: table}), records)))
    assert found.verdict == "inconclusive"
    assert sentences.why(found).plain("en") == "faster: no figure, since new failed: worker exited 70."


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"check": [stored.check("a", "rate", "nowhere", "> 1", "< 1")]}, "there is no arm 'nowhere'"),
        ({"check": [stored.check("a", "rate", "new", "> 1", "around 1")]}, "'around 1' is no region"),
        ({"check": [{"name": "a", "metric": "rate", "arm": "new", "supports": "> 1"}]}, "key 'refutes' is missing"),
        ({"check": [stored.check("a", "rate", "new", "> 1", "< 1", measure="ratio")]}, "taken against another arm"),
        ({"check": [stored.check("a", "rate", "new", "> 1", "< 1", measure="sum")]}, "'sum' is none of value"),
        ({"control": []}, "it has no control"),
        ({"check": [], "headline": {}}, "it has no check"),
    ],
)
def test_a_rule_that_cannot_be_applied_is_not_run_and_says_why_and_the_others_go_on(
    tmp_path: Path, broken: dict[str, Any], said: str
) -> None:
    good = stored.claim(3, ARMS, [stored.check("faster", "rate", "new", ">= 0.8", "< 0.3")], [CONTROL])
    records = [*stored.several(3, "new", "rate", SUPPORTED), *stored.several(3, "copy", "rate", KEPT)]
    head = stored.header({2: {**good, "number": 2, **broken}, 3: good}, not_run={"4": "no Node; install it"})
    second, third, fourth = judge(load(stored.write(tmp_path, head, records)))
    assert (second.status, third.verdict, fourth.status) == ("not-run", "supported", "not-run")
    assert said in sentences.why(second).plain("en")
    assert sentences.why(fourth).plain("en") == "Not run: no Node; install it."


def test_a_claim_about_several_cpus_may_have_been_given_the_generators(tmp_path: Path) -> None:
    wide = stored.check("scales", "rate", "new", ">= 0.8", "< 0.3", server_cpus=2)
    table = stored.claim(5, ARMS, [wide], [CONTROL])
    records = [
        stored.record(5, name, n, {"rate": value}, flags=["shared-cpu"])
        for name, found in (("new", SUPPORTED), ("copy", KEPT)) for n, value in enumerate(found)
    ]  # fmt: skip
    (found,) = judge(load(stored.write(tmp_path, stored.header({5: table}), records)))
    assert found.verdict == "supported"


def test_a_claim_without_its_rule_keeps_its_title_and_a_headline_that_is_not_there_is_the_first_check(
    tmp_path: Path,
) -> None:
    good = stored.claim(
        3, ARMS, [stored.check("faster", "rate", "new", ">= 0.8", "< 0.3")], [CONTROL], headline={"check": "gone"}
    )
    records = [*stored.several(3, "new", "rate", SUPPORTED), *stored.several(3, "copy", "rate", KEPT)]
    head = stored.header({2: {**good, "check": [{"name": "a"}]}, 3: good})
    second, third = judge(load(stored.write(tmp_path, head, records)))
    assert second.claim.title.english == "Claim 3"
    assert third.headline
    assert third.headline.check.name == "faster"


@pytest.mark.parametrize(
    ("value", "low", "high", "told"),
    [
        (1.05, 1.02, 1.08, "1.05x [1.02, 1.08]"),
        (0.994, 0.982, 1.007, "0.994x [0.982, 1.007]"),
        (1.0, 1.0, 1.0, "1.0x"),
        (100.0, 9.0, 1100.0, "100x [9.0, 1,100]"),
        (0.1, 0.01, 1.0, "0.10x [0.010, 1.0]"),
    ],
)
def test_a_ratio_is_told_as_the_bounds_of_its_rule_and_a_wide_one_with_digits_in_each_bound(
    value: float, low: float, high: float, told: str
) -> None:
    question = one_check("rate", "ratio")
    assert sentences.figure(question, Effect(value=value, low=low, high=high, n=6)).plain() == told


@pytest.mark.parametrize(
    ("value", "low", "high", "told"),
    [(8800, 8600, 9000, "8.8 [8.6, 9.0] kB"), (3 * MIB, 2 * MIB, 4 * MIB, "3.0 [2.0, 4.0] MiB")],
)
def test_bytes_below_a_mebibyte_are_told_in_kilobytes(value: float, low: float, high: float, told: str) -> None:
    question = one_check("idle_bytes")
    assert sentences.figure(question, Effect(value=value, low=low, high=high, n=6)).plain() == told
    assert sentences.number("idle_bytes", value).plain().endswith(told.rpartition(" ")[2])
    assert sentences.region(question, region(f"> 50000, <= {2 * MIB}")) == "> 50 kB, ≤ 2 MiB"


@pytest.mark.parametrize(
    ("new", "old", "supports", "refutes", "answer", "bound"),
    [
        (1, 0, ">= 0.8", "< 0.3", "supports", "at least"), (1, 0, "<= 1.2", "> 2", "unresolved", "at least"),
        (0, 1, ">= 0.8", "< 0.3", "unresolved", "at most"), (0, 1, "<= 1.2", "> 2", "supports", "at most"),
        (1, 0, "> 2", "outside 0.5..0.9", "refutes", "at least"), (1, 0, "> 2", "outside 1.2..1.4", "unresolved", "at least"),
        (1, 1, "> 2", "outside 0.5..0.9", "unresolved", "either"),
        (1, 1, ">= 0.8", "< 0.3", "unresolved", "either"), (0, 0, ">= 0.8", "< 0.3", "supports", ""),
    ],
)  # fmt: skip
def test_a_rate_that_the_stack_did_not_limit_answers_only_as_the_bound_that_it_is(
    tmp_path: Path, new: int, old: int, supports: str, refutes: str, answer: str, bound: str
) -> None:
    checks = [stored.check("faster", "json_rps", "new", supports, refutes, against="old", measure="ratio")]
    table = stored.claim(3, ARMS, checks, [CONTROL])
    records = [
        stored.record(3, name, n, {"json_rps": value, "json_bounded": limited})
        for name, limited in (("new", new), ("old", old)) for n, value in enumerate(SUPPORTED)
    ]  # fmt: skip
    records += stored.several(3, "copy", "rate", KEPT)
    (found,) = judge(load(stored.write(tmp_path, stored.header({3: table}), records)))
    assert (found.checks[0].answer, found.checks[0].effect.bound) == (answer, bound)
    if answer == "unresolved":
        assert "is only a bound" in sentences.why(found).plain()
    elif bound:
        assert "≥ 1.0x" in sentences.sentence(found)[0].plain() or "≤ 1.0x" in sentences.sentence(found)[0].plain()


@pytest.mark.parametrize(
    ("copy", "old", "expect", "ok"),
    [
        (1, 1, ">= 0.95, <= 1.05", None), (1, 0, ">= 0.95, <= 1.05", None), (0, 1, ">= 0.95, <= 1.05", None),
        (0, 0, ">= 0.95, <= 1.05", True), (1, 0, ">= 0.9", True), (1, 0, "<= 0.9", False), (0, 1, "<= 0.9", None),
    ],
)  # fmt: skip
def test_a_control_that_is_only_a_bound_is_not_judged(
    tmp_path: Path, copy: int, old: int, expect: str, ok: bool | None
) -> None:
    checks = [stored.check("faster", "rate", "new", ">= 0.8", "< 0.3")]
    control = stored.control("copies-alike", "json_rps", "copy", expect, against="old", measure="ratio")
    records = [
        stored.record(3, name, n, {"json_rps": 1000.0, "json_bounded": limited})
        for name, limited in (("copy", copy), ("old", old)) for n in range(6)
    ]  # fmt: skip
    records += stored.several(3, "new", "rate", SUPPORTED)
    (found,) = judge(
        load(stored.write(tmp_path, stored.header({3: stored.claim(3, ARMS, checks, [control])}), records))
    )
    assert found.controls_ok == ok
    assert (found.status, found.verdict) == {
        None: ("judged", "inconclusive"), True: ("judged", "supported"), False: ("invalid", "inconclusive"),
    }[ok]  # fmt: skip
    if ok is None:
        assert "“copies alike” says nothing" in sentences.why(found).plain("en")
        assert "说明不了什么" in sentences.why(found).plain("zh-Hans")


def test_regions_hold_their_bounds_as_written() -> None:
    both = region(">= 0.97, < 1.03")
    assert [both.holds(value) for value in (0.96, 0.97, 1.0, 1.03)] == [False, True, True, False]
    assert both.holds_all(0.97, 1.02)
    assert not both.holds_all(0.99, 1.03)
    with pytest.raises(RuleError, match="is no region"):
        region("0.5")


def test_what_lies_on_either_side_of_a_range_does_not_lie_on_both() -> None:
    either = region("outside 0.8..1.25")
    assert [either.holds(value) for value in (0.79, 0.8, 1.25, 1.26)] == [True, False, False, True]
    assert either.holds_all(0.5, 0.7)
    assert either.holds_all(1.3, 2.0)
    assert not either.holds_all(0.5, 1.3)
    for wrong in ("outside 1.25..0.8", "outside 0.8", "outside 0.8..1.25, > 3"):
        with pytest.raises(RuleError, match="is no region"):
            region(wrong)


@pytest.mark.parametrize(("values", "answer"), [(SUPPORTED, "supports"), (REFUTED, "refutes"), (OPEN, "unresolved")])
@pytest.mark.parametrize("factor", [1.0, -1.0])
def test_a_claim_of_equality_is_refuted_from_either_side(
    tmp_path: Path, values: Any, answer: str, factor: float
) -> None:
    mirrored = [1 + factor * (value - 1) for value in values]
    found = judged(
        tmp_path, {"new": mirrored, "copy": KEPT}, [stored.check("alike", "rate", "new", ">= 0.9, <= 1.1", "outside 0.8..1.2")]
    )  # fmt: skip
    assert found.checks[0].answer == answer


def one_check(metric: str, measure: str = "value") -> Any:
    against = {"against": "old", "measure": measure} if measure != "value" else {}
    return claim(
        3, stored.claim(3, ARMS, [stored.check("a", metric, "new", "> 1", "< 1", **against)], [CONTROL])
    ).checks[0]


def measured(folder: Path, records: Sequence[Any], metric: str, measure: str = "value") -> Any:
    run = load(stored.write(folder, stored.header({}), records))
    return effect(one_check(metric, measure), run.records[3], level=0.95, least=6)


def test_a_value_has_students_t_interval_over_replicates(tmp_path: Path) -> None:
    found = measured(tmp_path, stored.several(3, "new", "rate", OPEN), "rate")
    mean = sum(OPEN) / 6
    half = t_quantile(0.975, 5) * math.sqrt(sum((one - mean) ** 2 for one in OPEN) / 5 / 6)
    assert (found.value, found.low, found.high, found.n) == (
        pytest.approx(mean),
        pytest.approx(mean - half),
        pytest.approx(mean + half),
        6,
    )


def test_a_ratio_is_paired_by_replicate_so_that_drift_drops_out(tmp_path: Path) -> None:
    drift = [1.0, 2.0, 5.0, 0.3, 9.0, 4.0]
    records = [*stored.several(3, "new", "rate", [2 * one for one in drift]), *stored.several(3, "old", "rate", drift)]
    found = measured(tmp_path, records, "rate", "ratio")
    assert (found.value, found.low, found.high) == (pytest.approx(2), pytest.approx(2), pytest.approx(2))


def test_only_replicates_with_both_arms_count_and_a_zero_gives_no_ratio(tmp_path: Path) -> None:
    records = [*stored.several(3, "new", "rate", [1.0] * 8), *stored.several(3, "old", "rate", [1.0] * 6)]
    assert measured(tmp_path / "a", records, "rate", "ratio").n == 6
    records = [*stored.several(3, "new", "rate", [1.0] * 6), *stored.several(3, "old", "rate", [1.0] * 5 + [0.0])]
    assert "is 0 in a replicate" in measured(tmp_path / "b", records, "rate", "ratio").missing
    records = [stored.record(3, "new", 1, {"rate": 1.0}), stored.record(3, "old", 2, {"rate": 1.0})]
    assert measured(tmp_path / "c", records, "rate", "ratio").missing == "no replicate has both new and old"


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_that_is_all_or_nothing_has_a_width_by_its_count(tmp_path: Path, share: float) -> None:
    found = measured(tmp_path, stored.several(3, "new", "lost_share", [share] * 6, of=20), "lost_share")
    assert found.high - found.low == pytest.approx(1 - 0.96899, abs=1e-4)  # Wilson: z²/(n + z²) with n = 120
    assert found.low <= share <= found.high


def test_the_interval_of_a_share_is_never_narrower_than_replicates_or_counts_allow(tmp_path: Path) -> None:
    apart = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    found = measured(tmp_path, stored.several(3, "new", "lost_share", apart, of=10_000), "lost_share")
    assert (found.low, found.high) == (pytest.approx(0.0, abs=0.08), pytest.approx(1.0, abs=0.08))
    score = wilson(0.5, 60, 0.95)
    found = measured(tmp_path / "b", stored.several(3, "new", "lost_share", [0.5] * 6, of=10), "lost_share")
    assert (found.low, found.high) == (pytest.approx(score[0]), pytest.approx(score[1]))


def test_a_difference_of_shares_has_a_width_where_both_are_nothing(tmp_path: Path) -> None:
    records = [
        *stored.several(3, "new", "lost_share", [0.0] * 6, of=20),
        *stored.several(3, "old", "lost_share", [0.0] * 6, of=20),
    ]
    found = measured(tmp_path, records, "lost_share", "difference")
    assert (found.value, found.low, found.high) == (0.0, *newcombe((0.0, 120), (0.0, 120), 0.95))
    assert found.low < 0 < found.high


def test_newcombes_interval_is_the_published_one() -> None:
    low, high = newcombe((56 / 70, 70), (48 / 80, 80), 0.95)  # Newcombe (1998), example (a), method 10
    assert (low, high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_damaged_records_are_named_and_a_repeated_one_takes_the_first_ones_place(tmp_path: Path) -> None:
    records = [
        stored.record(3, "new", 0, {"rate": 1.0}),
        stored.record(3, "new", 0, {"rate": 2.0, "odd": math.inf, "none": None}),
    ]
    records[1]["metrics"]["odd"] = None
    wrong = stored.record(3, "old", 0, {}) | {"status": "perhaps"}
    run = load(stored.write(tmp_path, stored.header({}), [*records, wrong], extra=["{"]))
    assert [one.metrics for one in run.records[3]] == [{"rate": 2.0}]
    assert len(run.damaged) == 2
    assert any("'perhaps'" in line for line in run.damaged)


def test_another_kind_of_run_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = stored.write(tmp_path, stored.header({}) | {"kind": "matrix"}, [])
    with pytest.raises(BenchError, match="is no run over claims"):
        load(folder)


def test_files_outside_the_run_are_not_read(tmp_path: Path) -> None:
    run = load(stored.write(tmp_path / "run", stored.header({}), []))
    (tmp_path / "secret").write_text("x")
    (tmp_path / "run" / "here").write_text("x")
    assert run.file("../secret") is None
    assert run.file("") is None
    assert run.file("here") == (tmp_path / "run" / "here").resolve()
