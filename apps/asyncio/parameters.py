"""Whole numbers from the query string: ASCII digits only, whatever else int() would take."""

import re

DIGITS = re.compile(r"[0-9]+")
ROWS_MAX = 500


def lenient(raw: str | None) -> int:
    """A count of rows: 1 if missing or no whole number, and otherwise brought into 1 to 500."""
    if raw is None or not DIGITS.fullmatch(raw):
        return 1
    return min(max(whole_number(raw), 1), ROWS_MAX)


def strict(raw: str | None, highest: int, *, lowest: int = 0) -> int:
    """A whole number from `lowest` to `highest`; ValueError says what is wrong with anything else."""
    if raw is None:
        raise ValueError("is missing")
    if not DIGITS.fullmatch(raw):
        raise ValueError("is not a whole number")
    number = whole_number(raw)
    if number > highest:
        raise ValueError(f"is more than {highest}")
    if number < lowest:
        raise ValueError(f"is less than {lowest}")
    return number


def whole_number(digits: str) -> int:
    """What ASCII `digits` spell, or a number beyond every bound: int() itself refuses over 4,300 digits."""
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= 18 else 10**18
