"""A second run beside the first: what it confirms, what it leaves open, what it contradicts; and the copies of one run."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from made_runs import header, trial

from analysis import __main__ as command
from analysis import repeat
from analysis.frames import load

STACKS = ("ant/plain/direct", "bee/plain/direct", "cat/plain/direct", "dog/plain/direct")


def stored(
    folder: Path, name: str, factors: Mapping[str, float], *, spread: float = 0.002, blocks: int = 6, copies: int = 2,
    apart: float = 0.0, asked: Mapping[str, dict[str, Any]] = MappingProxyType({}), **head: Any,
) -> Path:  # fmt: skip
    """A run in which each stack does 1,000/s times its factor; its deployments differ by about `spread`, its copies by `apart`.

    `asked`: parameters of the scenario by stack; `head`: keys of run.json.
    """
    made = folder / name
    made.mkdir()
    (made / "run.json").write_text(
        json.dumps(header(scenarios=["db"], stacks=list(factors), blocks=blocks, copies=copies) | head)
    )
    wave = (-1.0, 0.4, 0.9, -0.6, 0.7, -0.4, 0.1, -0.1)
    trials: list[dict[str, Any]] = [
        trial(
            stack, "db", "capacity", block=block, copy=copy, parameters=asked.get(stack, {}),
            noise=factor * (1 + apart * copy) * (1 + spread * wave[(3 * block + 5 * copy + number) % 8]),
        )
        for block in range(blocks) for copy in range(copies) for number, (stack, factor) in enumerate(factors.items())
    ]  # fmt: skip
    (made / "trials.jsonl").write_text("".join(json.dumps(one) + "\n" for one in trials))
    return made


FIRST = dict(zip(STACKS, (1.0, 1.0, 1.2, 1.5), strict=True))


def test_verdicts_that_hold_are_confirmed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = stored(tmp_path, "a", FIRST), stored(tmp_path, "b", FIRST, spread=0.003)
    found = repeat.verdicts(load(one), load(other))
    assert len(found) == 5, "of six pairs those of the equal stacks differ not"
    assert {verdict.outcome for verdict in found} == {"confirmed"}
    assert command.main(["verdicts", str(one), str(other)]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()][-1] == ["all", "5", "5", "0", "0", "0"]


def test_the_other_way_round_and_equal_are_contradictions_and_a_wide_interval_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = stored(tmp_path, "a", FIRST)
    turned = stored(tmp_path, "b", FIRST | {STACKS[2]: 1.0, STACKS[3]: 0.8})
    outcomes = {(each.first.stack, each.first.other): each.outcome for each in repeat.verdicts(load(one), load(turned))}
    assert set(outcomes.values()) == {"contradicted"}
    assert command.main(["verdicts", str(one), str(turned)]) == 1
    assert "CONTRADICTED db capacity: " in capsys.readouterr().out
    wide = stored(tmp_path, "c", FIRST, spread=0.5)
    assert {each.outcome for each in repeat.verdicts(load(one), load(wide))} <= {"unresolved", "confirmed"}
    assert command.main(["verdicts", str(one), str(wide)]) == 0


def test_a_wider_margin_of_the_second_run_contradicts_nothing(tmp_path: Path) -> None:
    """Its copies differ by 6%, so that by itself it calls 4.5% equivalent; the first run's margin is 3%."""
    factors = dict(zip(STACKS[:2], (1.0, 1.045), strict=True))
    one, other = stored(tmp_path, "a", factors), stored(tmp_path, "b", factors, apart=0.06)
    (alone,) = repeat._compared(load(other), ["capacity_rps"])
    assert (alone.counts()["equivalent"], round(alone.margin, 2)) == (1, 0.06)
    (verdict,) = repeat.verdicts(load(one), load(other))
    assert verdict.outcome == "confirmed"
    (turned,) = repeat.verdicts(load(one), load(stored(tmp_path, "c", dict.fromkeys(factors, 1.0), apart=0.06)))
    assert turned.outcome == "contradicted"


def test_another_machine_is_named_and_other_work_is_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = stored(tmp_path, "a", FIRST)
    elsewhere = stored(tmp_path, "b", FIRST, environment={"host": "two"})
    assert command.main(["verdicts", str(one), str(elsewhere)]) == 0
    assert capsys.readouterr().out.startswith("UNLIKE host: testhost and two\n")
    other = stored(tmp_path, "c", FIRST | {STACKS[2]: 1.0}, asked={STACKS[2]: {"queries": 10}})
    outcomes = [each.outcome for each in repeat.verdicts(load(one), load(other))]
    assert (outcomes.count("confirmed"), outcomes.count("not compared")) == (2, 3)
    assert command.main(["verdicts", str(one), str(other)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "NOT COMPARED db capacity capacity_rps: cat/plain/direct: parameters: none and queries=10"
    assert not any(line.startswith("UNLIKE") for line in lines)


def test_what_the_second_run_lacks_is_said(tmp_path: Path) -> None:
    one, few = stored(tmp_path, "a", FIRST), stored(tmp_path, "b", {name: FIRST[name] for name in STACKS[:3]})
    outcomes = [each.outcome for each in repeat.verdicts(load(one), load(few))]
    assert (outcomes.count("confirmed"), outcomes.count("not compared")) == (2, 3)


def test_a_run_that_calls_nothing_different_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = stored(tmp_path, "a", dict.fromkeys(STACKS, 1.0))
    assert command.main(["verdicts", str(one), str(one)]) == 2
    assert capsys.readouterr().err == "a calls no pair of stacks different, so there is nothing to repeat\n"


def test_the_table_of_copies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = stored(tmp_path, "a", FIRST)
    assert command.main(["copies", str(one)]) == 0
    said = capsys.readouterr().out
    assert said.count(" n 6") == 4
    assert "one deployment varies by: sync 0." in said
    assert "all 6 together" in said
    assert command.main(["copies", str(one), "--scenario", "nope"]) == 2
    single = stored(tmp_path, "b", FIRST, copies=1)
    assert command.main(["copies", str(single)]) == 2
    assert capsys.readouterr().err.endswith("b: no stack has two copies in a block, so there is no A/A\n")
