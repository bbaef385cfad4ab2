"""Which stacks differ in one part alone: the pairs behind marginal effects."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
"""A row of `Frames.stacks`."""
Contrast = tuple[str, str, str]
"""Axis, level before, level after."""
Context = tuple[object, ...]
"""All that two stacks have in common."""


def matched(stacks: Sequence[Row]) -> dict[Contrast, dict[Context, list[tuple[str, str]]]]:
    """From contrast and context to the pairs of stack ids (after, before) that differ in nothing else.

    Axes: `application`, `data access` (variants of one application), `server`, `front`, each option of a server or front by its name
    (such as `loop`), and `worker model`: stacks that differ in the server alone, by what the servers' workers are.
    """
    found: dict[Contrast, dict[Context, list[tuple[str, str]]]] = {}
    for number, one in enumerate(stacks):
        for other in stacks[number + 1 :]:
            for axis, *levels in _differences(one, other):
                before, after = _order(axis, *levels)
                first, second = (one, other) if [before, after] == levels else (other, one)
                contexts = found.setdefault((axis, before, after), {})
                contexts.setdefault(_context(axis, one), []).append((second["stack"], first["stack"]))
    return found


PARTS: Mapping[str, tuple[str, ...]] = {
    "application": ("app", "version"),
    "data access": ("variant",),
    "server": ("server",),
    "front": ("front",),
}
"""Axes with the columns that make them up. Options are axes of their own."""


def _differences(one: Row, other: Row) -> Iterable[Contrast]:
    """The axes along which two stacks differ, if it is one part alone: (axis, level of one, level of the other)."""
    changed = [axis for axis, keys in PARTS.items() if any(one[key] != other[key] for key in keys)]
    if one["options"] != other["options"]:
        if not changed:
            yield from _option(one["options"], other["options"])
    elif len(changed) == 1:
        axis = changed[0]
        yield axis, _level(axis, one), _level(axis, other)
        if axis == "server" and one["model"] and other["model"] and one["model"] != other["model"]:
            yield "worker model", str(one["model"]), str(other["model"])


def _level(axis: str, stack: Row) -> str:
    if axis == "data access":
        return str(stack["data"] or stack["variant"] or "its own")
    return "@".join(str(stack[key]) for key in PARTS[axis] if stack[key])


def _option(one: Sequence[str], other: Sequence[str]) -> Iterable[Contrast]:
    """The one option that differs, such as the event loop; what an id does not give is `default`."""
    first, second = (dict(text.split("=", 1) for text in options) for options in (one, other))
    names = [name for name in {**first, **second} if first.get(name) != second.get(name)]
    if len(names) == 1:
        yield names[0], first.get(names[0], "default"), second.get(names[0], "default")


def _order(axis: str, before: str, after: str) -> tuple[str, str]:
    """Which of two levels is the one to compare with: without a front, or without an option; else by name."""
    plain = "direct" if axis == "front" else "default"
    return (after, before) if after == plain or (before != plain and after < before) else (before, after)


def _context(axis: str, stack: Row) -> Context:
    """What two stacks that differ along `axis` have in common: each context is one replicate of the effect."""
    hidden = PARTS.get("server" if axis == "worker model" else axis, ())
    keys = [key for part in PARTS.values() for key in part if key not in hidden]
    options = tuple(text for text in stack["options"] if not text.startswith(f"{axis}="))
    return (*(stack[key] for key in keys), options)
