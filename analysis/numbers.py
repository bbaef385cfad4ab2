"""Figures as text: no more digits than the measurement supports.

With an interval, its half-width is rounded to one significant digit (two if it starts with 1) and the value and both bounds to
that place, but never more than `MOST_DIGITS` digits of the value. Without one there are two digits, and the reader is told n beside it.
"""

import math

MIB = 1024 * 1024
SAME = 1e-9
"""Bounds that are nearer to each other than this share are the same: what is left is the rounding of logarithms."""

MOST_DIGITS = 4
"""Where requests only wait, replicates may agree to more: that is the timer's regularity, and nothing a reader can use."""
FINEST_PERCENT = -1
"""The same for changes: a tenth of a percent."""


def _place(value: float, digits: int) -> int:
    """The power of ten of the last of `digits` significant digits of `value`, after rounding to them."""
    for _ in range(2):  # rounding may carry into a new digit: 9.96 is 10 with two digits, not 10.0
        exponent = math.floor(math.log10(abs(value)))
        value = round(value, digits - 1 - exponent)
    return exponent - digits + 1


def _justified(half: float) -> int:
    """The last place that an interval of this half-width justifies."""
    return _place(half, 2 if f"{half:e}".startswith("1") else 1)


def to_place(value: float, place: int) -> str:
    """`value` rounded to the power of ten `place`, with thousands separators: (4123.4, 1) is "4,120"."""
    return f"{round(value, -place) + 0.0:,.{max(0, -place)}f}"  # + 0.0: what rounds to nothing has no sign


def parts(value: float, low: float = math.nan, high: float = math.nan) -> tuple[str, str]:
    """An estimate and its interval: ("4,120", "[4,030, 4,200]"), or ("4,100", "") where the bounds are NaN."""
    if not high - low > SAME * abs(value):  # NaN, or replicates that do not differ, which justify no digit more
        return ("0" if value == 0 else to_place(value, _place(value, 2))), ""
    half = (high - low) / 2
    place = _justified(half)
    if value:
        place = max(place, _place(value, MOST_DIGITS))
    place = min(place, _leading(value))
    return to_place(value, place), f"[{to_place(low, min(place, _leading(low)))}, {to_place(high, place)}]"


def _leading(value: float) -> int:
    """The power of ten of the first digit: of a positive value, which an interval on logarithms may dwarf, one digit is kept."""
    return math.floor(math.log10(value)) if value > 0 else 99


def estimate(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """`parts` as one text: "4,120 [4,030, 4,200]", or "4,100" without an interval."""
    return " ".join(parts(value, low, high)).rstrip()


def count(value: float) -> str:
    """A whole number, exactly, with thousands separators."""
    return f"{round(value):,}"


def percent(ratio: float, low: float = math.nan, high: float = math.nan) -> str:
    """A ratio as a change: "-7.1% [-9.0, -5.2]", "+4%" without an interval; beyond half and double as a factor: "3.1x [2.9, 3.3]"."""
    if not 0.5 <= ratio <= 2:
        value, bounds = parts(ratio, low, high)
        return f"{value}x {bounds}".rstrip()
    changes = [100 * (one - 1) for one in (ratio, low, high)]
    if not high - low > SAME:
        return f"{changes[0]:+.0f}%"
    half = (changes[2] - changes[1]) / 2
    place = max(_justified(half), FINEST_PERCENT)
    value, low_text, high_text = (_signed(one, place) for one in changes)
    return f"{value}% [{low_text}, {high_text}]"


def _signed(value: float, place: int) -> str:
    text = to_place(value, place)
    if not float(text.replace(",", "")):
        return text.removeprefix("-")
    return text if text.startswith("-") else f"+{text}"
