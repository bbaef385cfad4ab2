"""What the stacks of an experiment are asked for: a scenario, or a path of each arm's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from bench import catalog
from bench.contract import DATABASE_ENDPOINTS, endpoint_of
from bench.lab import PlannedArm
from bench.manifest import OptionalEndpoint
from bench.model import Scenario
from bench.plan import WAITING_CONNECTIONS, slots


class Asking(Protocol):
    """The parameters that say so."""

    @property
    def scenarios(self) -> tuple[str, ...]: ...
    @property
    def values(self) -> dict[str, dict[str, int]]: ...
    @property
    def paths(self) -> dict[str, str]: ...
    @property
    def waits(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One thing that is asked for, again and again."""

    name: str
    scenario: Scenario | None
    """None: what `paths` of each arm says."""
    windows: bool
    """Whether an answer takes long."""
    waits: bool
    """Whether what counts is how many requests are held at once."""
    needs: frozenset[str] = frozenset()
    """Of the contract's endpoints."""

    @property
    def touches_database(self) -> bool:
        """Whether the database answers."""
        return bool(self.needs & DATABASE_ENDPOINTS)

    def holds(self, arm: PlannedArm) -> int:
        """How many of these an arm can let wait at once."""
        if self.scenario is not None:
            return arm.stack.holds(self.scenario)
        return slots(arm.stack) or WAITING_CONNECTIONS

    def of_job(self, arms: Sequence[PlannedArm]) -> dict[str, Any]:
        """What a load's job says of it, for these arms."""
        if self.scenario is None:
            return {"requests": [{"path": arm.parameters.paths[self.name]} for arm in arms], "stored": True}
        given: Asking = arms[0].parameters
        return {"scenario": self.scenario.source, "parameters": given.values.get(self.name, {})}


def asked(given: Asking) -> list[Asked]:
    """Scenarios first, in the order in which they run, then paths."""
    known = catalog.scenarios()
    return [
        *(
            Asked(name=name, scenario=one, windows=one.windows, waits="waiting" in one.tags, needs=one.needs)
            for name, one in known.items() if name in given.scenarios
        ),
        *(
            Asked(
                name=name, scenario=None, windows=name in given.waits, waits=name in given.waits,
                needs=frozenset(filter(None, [endpoint_of(path)])),
            )
            for name, path in given.paths.items()
        ),
    ]  # fmt: skip


def optional(given: Asking) -> set[str]:
    """Which of the contract's optional endpoints the paths are of."""
    return {path.removeprefix("/").partition("/")[0].partition("?")[0] for path in given.paths.values()} & set(
        get_args(OptionalEndpoint)
    )


def check(given: Asking) -> None:
    """Raises ValueError for names that mean nothing."""
    known = catalog.scenarios()
    for name in (*given.scenarios, *given.values):
        if name not in known or known[name].journey:
            raise ValueError(f"there is no scenario '{name}' of single requests; `bench list` prints them")
    for name, path in given.paths.items():
        if name in known or not path.startswith("/"):
            raise ValueError(f"`paths`: {name} = '{path}': give a name that no scenario has, and a path from / on")
    if set(given.waits) - set(given.paths):
        raise ValueError("`waits` names some of `paths`")
    if not given.scenarios and not given.paths:
        raise ValueError("`scenarios` or `paths` names one or more")
