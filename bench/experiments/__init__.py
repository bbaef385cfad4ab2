"""Kinds of experiments, one module each, found by discovery: a claim names one as its `experiment`."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec

from bench.lab import Found, Lab, PlannedArm
from bench.model import Failed

Outcome = Found | Failed


class Kind(Protocol):
    """What a module here has. It has either `run` or `together`; the others' methods may be left out."""

    Parameters: type[msgspec.Struct]
    """What `[parameters]` and an arm's `parameters` may say, with defaults."""

    def metrics(self, given: Any) -> set[str]:
        """The names of the figures that an arm with these parameters gives."""
        ...

    def seconds(self, given: Any) -> float:
        """How long an arm takes in a replicate, without its start and end."""
        ...


class OneByOne(Kind, Protocol):
    """An arm at a time."""

    def run(self, lab: Lab, arm: PlannedArm, replicate: int) -> Found:
        """Deploy the arm and try it. Raises BenchError where it gives no figure."""
        ...


class Together(Kind, Protocol):
    """All arms of a replicate are alive at once."""

    def together(self, lab: Lab, arms: Sequence[PlannedArm], replicate: int) -> Mapping[str, Outcome]:
        """Deploy the arms and try them; what came of each, by name."""
        ...


class Hindered(Kind, Protocol):
    """One that may be impossible on a machine."""

    def obstacle(self, arms: Sequence[PlannedArm]) -> str | None:
        """Why it cannot be tried here, and the remedy: `reason; remedy`."""
        ...


class Extended(Kind, Protocol):
    """One that needs optional endpoints of an application."""

    def optional(self, given: Any) -> set[str]:
        """Which of them an arm with these parameters asks for: see `optional` in docs/manifests.md."""
        ...


class Stored(Kind, Protocol):
    """One whose figures a run over the matrix may have."""

    def from_trials(
        self, trials: Sequence[Mapping[str, Any]], arms: Sequence[PlannedArm]
    ) -> list[dict[str, tuple[Found, Mapping[str, Any]]]]:
        """For each replicate, by arm, what the trials of one deployment say, and one of those trials."""
        ...


def kinds() -> dict[str, Kind]:
    """All there are, by name: a module's, with hyphens for underscores. Those whose names begin with an underscore are parts of others."""
    names = [one.name for one in pkgutil.iter_modules(__path__) if not one.name.startswith("_")]
    return {name.replace("_", "-"): cast(Kind, importlib.import_module(f"{__name__}.{name}")) for name in sorted(names)}
