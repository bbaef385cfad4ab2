"""`bench trust`: how many turns are planted, from what a turn was found to cost; and what gives no figure."""

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

NONE_S = 0.001
"""What a request takes without a turn; the machine that is made up here is exact."""


@dataclass(kw_only=True)
class Machine:
    """In the place of running: answers at the rate that NONE_S and the turns come to, and keeps the plans."""

    turn_s: float = 0.5e-3 / trust.TRIAL_TURNS
    plans: list[Plan] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    progress: list[Any] = field(default_factory=list)
    prepared: list[list[str]] = field(default_factory=list)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """From a stack's id to what is unlike in its trials."""

    def turns(self) -> list[dict[str, int]]:
        """Of each plan: from stack to turns."""
        return [{one.stack.id: _turns(one.stack) for one in made.stacks} for made in self.plans]


def capacity(stack: str, **figures: Any) -> dict[str, Any]:
    """A trial as it is stored, as far as it is read here."""
    return {
        "stack": stack, "scenario": "plaintext", "block": 0, "copy": 0, "view": "capacity", "status": "measured", **figures
    }  # fmt: skip


def _turns(stack: Any) -> int:
    return int(stack.variant.env["PLANTED_TURNS"]) if stack.variant else 0


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
            rate = 1 / (NONE_S + _turns(one.stack) * made.turn_s)
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


def test_as_many_turns_are_planted_as_make_a_request_so_much_longer(machine: Machine, tmp_path: Path) -> None:
    """4,000 turns take half of what a request takes; 5% of it is a tenth of them."""
    found = measure(tmp_path)
    assert machine.turns() == [
        {stack(""): 0, stack("+trial"): 4000},
        {stack(""): 0, stack("+same"): 0, stack("+five"): 400, stack("+ten"): 800},
    ]
    assert found.truth == pytest.approx(
        {stack(""): 1.0, stack("+same"): 1.0, stack("+five"): 1 / 1.05, stack("+ten"): 1 / 1.1}
    )
    assert next(iter(found.truth)) == stack(""), "the others are relative to the first"


def test_the_answer_is_the_second_run_and_the_trial_run_lies_beside_it(machine: Machine, tmp_path: Path) -> None:
    found = measure(tmp_path)
    assert found.folder.parent == tmp_path
    runs = [path for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink()]
    assert len(runs) == 2
    assert found.folder in runs
    assert '"planted+ten/single/direct"' in (found.folder / "run.json").read_text("utf-8")
    assert machine.commands == ["bench trust"] * 2
    assert machine.prepared == [["planted"]] * 2
    assert machine.progress == [2, 4]


def test_nothing_else_is_measured_and_nothing_but_the_blocks_asked_for(machine: Machine, tmp_path: Path) -> None:
    measure(tmp_path, blocks=3, seconds=0.25)
    trial, told = (made.profile for made in machine.plans)
    assert [(one.blocks, one.capacity_s) for one in (trial, told)] == [(1, 2.0), (3, 0.25)]
    for made in machine.plans:
        assert [one.name for one in made.scenarios] == ["plaintext"]
        assert (made.profile.name, made.seed) == ("trust", 1)
        assert (made.profile.latency, made.profile.own_loads, made.profile.pilot_s) == (None, (), None)
        assert (made.profile.precision, made.profile.budget_s) == (None, None)


@pytest.mark.parametrize("turn_s", [0.0, -0.1e-3 / trust.TRIAL_TURNS], ids=["as quick", "quicker"])
def test_turns_that_cost_nothing_end_it_before_anything_is_planted(
    machine: Machine, tmp_path: Path, turn_s: float
) -> None:
    machine.turn_s = turn_s
    with pytest.raises(
        BenchError, match="4000 turns of a loop cost nothing that could be seen; is the machine very busy"
    ):
        measure(tmp_path)
    assert len(machine.plans) == 1


@pytest.mark.parametrize("change", [{"rps": None, "requests": None, "seconds": None}, {"rps": 0.0, "requests": 0}])
@pytest.mark.parametrize("variant", ["", "+trial"])
def test_a_stack_without_a_figure_is_named_with_the_report_that_says_why(
    machine: Machine, tmp_path: Path, variant: str, change: dict[str, Any]
) -> None:
    machine.changes[stack(variant)] = change
    with pytest.raises(BenchError) as refused:
        measure(tmp_path)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink())
    assert str(refused.value) == f"{stack(variant)} gave no figure; `bench report {folder.name}` says why"


def test_a_rate_is_all_answers_over_all_time_of_what_was_measured(tmp_path: Path) -> None:
    stored = RunStore.create(tmp_path, {})
    mine, other = stack(""), stack("+five")
    stored.append([
        capacity(mine, requests=100, seconds=1.0, rps=100.0), capacity(mine, requests=500, seconds=2.0, rps=250.0),
        capacity(mine, requests=None, seconds=None, rps=None), capacity(other, requests=50, seconds=1.0, rps=50.0),
        {**capacity(mine, requests=9, seconds=9.0, rps=1.0), "view": "latency"},
    ])  # fmt: skip
    stored.close()
    assert trust._rates(stored.folder, ["", "+five"]) == [200.0, 50.0]
