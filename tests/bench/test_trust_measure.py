"""`bench trust`: which paces are planted, and when nothing is said of them."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench import environments, provenance, run, trust
from bench.model import BenchError
from bench.plan import Plan
from bench.store import RunStore


@dataclass(kw_only=True)
class Machine:
    """In the place of running: answers at the rate that a pace allows, as far as it is held, and keeps the plans."""

    held: float = 1.0
    plans: list[Plan] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    progress: list[Any] = field(default_factory=list)
    prepared: list[list[str]] = field(default_factory=list)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """From a stack's id to what is unlike in its trials."""

    def paces_us(self) -> list[dict[str, float]]:
        """Of each plan: from stack to pace."""
        return [{one.stack.id: _pace_us(one.stack) for one in made.stacks} for made in self.plans]


def capacity(stack: str, **figures: Any) -> dict[str, Any]:
    """A trial as it is stored, as far as it is read here."""
    return {
        "stack": stack, "scenario": "plaintext", "block": 0, "copy": 0, "view": "capacity", "status": "measured", **figures
    }  # fmt: skip


def _pace_us(stack: Any) -> float:
    return float(stack.variant.env["PLANTED_US"]) if stack.variant else trust.PACE_US


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()

    def execute(
        plan: Plan, *, results: Path, command: str, progress: Any, outcome: run.Outcome, hashes: Mapping[str, Any]
    ) -> None:
        made.plans.append(plan)
        made.commands.append(command)
        made.progress.append(progress)
        stored = RunStore.create(results, {"hashes": hashes})
        for one in plan.stacks:
            rate = made.held * 1e6 / _pace_us(one.stack)
            told = capacity(one.stack.id, requests=2 * rate, seconds=2.0, rps=rate)
            stored.append([{**told, **made.changes.get(one.stack.id, {})}, {**told, "view": "latency", "requests": 1}])
        stored.close()
        outcome.folder = stored.folder

    def prepare(found: Any, apps: Any, say: Any) -> None:
        made.prepared.append([one.name for one in apps])

    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(run, "execute", execute)
    monkeypatch.setattr(environments, "prepare", prepare)
    monkeypatch.setattr(
        provenance, "hashes", lambda found, stacks, scenarios: {"stacks": [one.stack.id for one in stacks]}
    )
    return made


def measure(results: Path, **changes: Any) -> trust.Planted:
    given: dict[str, Any] = {
        "blocks": 8,
        "seconds": 1.5,
        "progress": lambda made: nullcontext(len(made.stacks)),
        **changes,
    }
    return trust.measure(results=results, **given)


def stack(variant: str) -> str:
    return f"planted{variant}/single/direct"


def test_paces_are_planted_5_and_10_percent_slower_and_one_alike(machine: Machine, tmp_path: Path) -> None:
    found = measure(tmp_path)
    assert machine.paces_us() == [{stack(""): 200, stack("+same"): 200, stack("+five"): 210, stack("+ten"): 220}]
    assert found.truth == pytest.approx(
        {stack(""): 1.0, stack("+same"): 1.0, stack("+five"): 1 / 1.05, stack("+ten"): 1 / 1.1}
    )
    assert next(iter(found.truth)) == stack(""), "the others are relative to the first"


def test_the_answer_is_a_stored_run(machine: Machine, tmp_path: Path) -> None:
    found = measure(tmp_path)
    assert [path for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink()] == [found.folder]
    assert '"planted+ten/single/direct"' in (found.folder / "run.json").read_text("utf-8")
    assert machine.commands == ["bench trust"]
    assert machine.prepared == [["planted"]]
    assert machine.progress == [4]


def test_nothing_else_is_measured_and_nothing_but_the_blocks_asked_for(machine: Machine, tmp_path: Path) -> None:
    measure(tmp_path, blocks=3, seconds=0.25)
    (made,) = machine.plans
    assert (made.profile.blocks, made.profile.capacity_s) == (3, 0.25)
    assert [one.name for one in made.scenarios] == ["plaintext"]
    assert (made.profile.name, made.seed) == ("trust", 1)
    assert (made.profile.latency, made.profile.own_loads, made.profile.pilot_s) == (None, (), None)
    assert (made.profile.precision, made.profile.budget_s) == (None, None)


def test_where_the_pace_is_not_held_nothing_is_said_of_what_was_planted(machine: Machine, tmp_path: Path) -> None:
    machine.held = trust.HELD - 0.01
    with pytest.raises(
        BenchError, match=r"planted/single/direct answered 4,800/s of the 5,000/s .* too slow or too busy"
    ):
        measure(tmp_path)
    machine.held = trust.HELD + 0.01
    assert measure(tmp_path).truth


def test_a_rate_is_all_answers_over_all_time_of_what_was_measured(tmp_path: Path) -> None:
    stored = RunStore.create(tmp_path, {})
    mine, other = stack(""), stack("+five")
    stored.append([
        capacity(mine, requests=100, seconds=1.0, rps=100.0), capacity(mine, requests=500, seconds=2.0, rps=250.0),
        capacity(mine, requests=None, seconds=None, rps=None), capacity(other, requests=50, seconds=1.0, rps=50.0),
        {**capacity(mine, requests=9, seconds=9.0, rps=1.0), "view": "latency"},
    ])  # fmt: skip
    stored.close()
    assert [trust._rate(stored.folder, one) for one in (mine, other)] == [200.0, 50.0]


def test_one_that_alone_is_slower_than_its_pace_is_named(machine: Machine, tmp_path: Path) -> None:
    machine.changes[stack("+ten")] = {"requests": 4000, "seconds": 1.0}
    with pytest.raises(BenchError, match=r"planted\+ten/single/direct answered 4,000/s of the 4,545/s"):
        measure(tmp_path)


@pytest.mark.parametrize("change", [{"rps": None, "requests": None, "seconds": None}, {"rps": 0.0, "requests": 0}])
@pytest.mark.parametrize("variant", ["", "+five"])
def test_a_stack_without_a_figure_is_named_with_the_report_that_says_why(
    machine: Machine, tmp_path: Path, variant: str, change: dict[str, Any]
) -> None:
    machine.changes[stack(variant)] = change
    with pytest.raises(BenchError) as refused:
        measure(tmp_path)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink())
    assert str(refused.value) == f"{stack(variant)} gave no figure; `bench report {folder.name}` says why"
