"""The checks as plain text."""

import textwrap
from collections.abc import Sequence

from bench.doctor.checks import Check

NAME_COLUMNS = 18


def render(results: Sequence[Check], *, width: int = 80) -> str:
    """One line a check, wrapped at `width` columns, its remedy below it, and a summary last."""
    return "\n".join([*(line for check in results for line in _lines(check, width)), "", *_summary(results, width)])


def _lines(check: Check, width: int) -> list[str]:
    head = f"{check.status:<5} {check.name:<{NAME_COLUMNS}} "
    indent = " " * len(head)
    lines = textwrap.wrap(check.value, width, initial_indent=head, subsequent_indent=indent)
    if check.remedy:
        lines += textwrap.wrap(check.remedy, width, initial_indent=f"{indent}-> ", subsequent_indent=f"{indent}   ")
    return lines


def _summary(results: Sequence[Check], width: int) -> list[str]:
    bad = [check.name for check in results if check.status == "bad"]
    warned = [check.name for check in results if check.status == "warn"]
    if bad:
        text = f"This machine is not fit to measure on: {', '.join(bad)}."
    elif warned:
        text = f"A run will work here. Worth a look first: {', '.join(warned)}."
    else:
        text = "This machine is fit to measure on."
    return textwrap.wrap(text, width)
