"""Integers in the query string, under lenient and strict bounds.

An integer is ASCII digits, perhaps after a minus, and nothing else. `int()` accepts more (a plus, spaces, underscores,
the digits of other scripts) and refuses numbers of thousands of digits, so it only sees what has been checked.
"""

import re
from collections.abc import Mapping

from django.core.exceptions import BadRequest

_INTEGER = re.compile(r"(-?)0*([0-9]+)")
_DIGITS_MAX = 12  # the first 12 digits of a longer number are above every bound as well


def parse_integer(text: str) -> int | None:
    """The integer that `text` spells, cut to its first 12 digits if it has more; None if it spells none."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    sign, digits = match.groups()
    return int(sign + digits[:_DIGITS_MAX])


def lenient(query: Mapping[str, str], name: str, lowest: int = 1, highest: int = 500) -> int:
    """The parameter moved into `lowest..highest`; `lowest` if it is missing or not an integer."""
    value = parse_integer(query.get(name, ""))
    return lowest if value is None else min(max(value, lowest), highest)


def strict(query: Mapping[str, str], name: str, lowest: int, highest: int) -> int:
    """The parameter as it stands. Raises BadRequest if it is missing, not an integer or out of `lowest..highest`."""
    value = parse_integer(query.get(name, ""))
    if value is None or not lowest <= value <= highest:
        raise BadRequest(f"{name}: must be an integer from {lowest} to {highest}")
    return value


def optional(query: Mapping[str, str], name: str, absent: int, lowest: int, highest: int) -> int:
    """As `strict`, but `absent` where the parameter is missing."""
    return strict(query, name, lowest, highest) if name in query else absent
