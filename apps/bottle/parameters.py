"""Query parameters as the contract reads them: lenient ones are clamped, strict ones are refused."""

import re
import sys

from application import refusal
from bottle import request

# int() alone would also take `+1`, ` 1`, `1_0` and the digits of other scripts.
INTEGER = re.compile(r"-?[0-9]+")


def integer(text: str) -> int | None:
    if INTEGER.fullmatch(text) is None:
        return None
    try:
        return int(text)
    except ValueError:  # more digits than Python converts: beyond every bound, on the side that the sign says
        return -sys.maxsize if text.startswith("-") else sys.maxsize


def lenient(name: str) -> int:
    """Between 1 and 500; whatever is not a number counts as 1."""
    value = integer(request.query.get(name, ""))
    return 1 if value is None else min(max(value, 1), 500)


def strict(name: str, highest: int, *, lowest: int = 0) -> int:
    """Between `lowest` and `highest`; anything else is answered 400 with the reason."""
    text = request.query.get(name)
    if not text:
        raise refusal(400, {"error": f"{name}: missing, give an integer from {lowest} to {highest}"})
    value = integer(text)
    if value is None:
        raise refusal(400, {"error": f"{name}: not an integer"})
    if not lowest <= value <= highest:
        raise refusal(400, {"error": f"{name}: must be from {lowest} to {highest}"})
    return value


def optional(name: str, absent: int, highest: int, *, lowest: int = 0) -> int:
    """As `strict`, but `absent` where the parameter is missing."""
    return strict(name, highest, lowest=lowest) if name in request.query else absent
