"""Digits: as many as the interval justifies, two without one."""

import math

import pytest

from analysis import numbers, outside


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (4115.0, "4,100"), (26800.0, "27,000"), (0.4149, "0.41"), (0.0273, "0.027"), (1.0, "1.0"), (9.96, "10"), (99.6, "100"),
        (0.0996, "0.10"), (999.9, "1,000"), (12.3, "12"), (0.0, "0"), (123456789.0, "120,000,000"),
    ],
)  # fmt: skip
def test_without_an_interval_there_are_two_digits(value: float, expected: str) -> None:
    assert numbers.parts(value) == (expected, "")


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (4123.0, 4034.0, 4204.0, "4,120 [4,030, 4,200]"),  # half-width 85: to the tens
        (4123.0, 3900.0, 4350.0, "4,100 [3,900, 4,400]"),  # 225: to the hundreds
        (4123.0, 4000.0, 4246.0, "4,120 [4,000, 4,250]"),  # 123 starts with 1: one digit more
        (0.4149, 0.4021, 0.4277, "0.415 [0.402, 0.428]"),
        (1.5, 1.5, 1.5, "1.5"),
        (13.0, 0.4, 5000.0, "10 [0.4, 5,000]"),  # wider than the value: one digit of it is kept
        (
            319.98712,
            319.98711,
            319.98713,
            "320.0 [320.0, 320.0]",
        ),  # timers agree to the microsecond: four digits all the same
    ],
)
def test_an_interval_sets_the_place(value: float, low: float, high: float, expected: str) -> None:
    assert numbers.estimate(value, low, high) == expected


def test_a_missing_bound_is_no_interval() -> None:
    assert numbers.estimate(4123.0, math.nan, math.nan) == "4,100"


def test_outside_text_loses_what_no_document_may_hold() -> None:
    assert outside.line("\x1b[31mred\x1b[0m\n two\t three") == "red two three"
    assert outside.block("a\x00b\ud800c\u202ed\r\ne") == "a\ufffdb\ufffdc\ufffdd\ne"
    assert outside.shortened("abcdef", 4) == "abc\u2026"
    assert outside.abridged("abcdefgh", 5) == "ab\u2026gh"
    assert outside.abridged("abcde", 5) == "abcde"


@pytest.mark.parametrize(
    ("ratio", "low", "high", "expected"),
    [
        (0.929, 0.910, 0.948, "-7.1% [-9.0, -5.2]"),
        (1.0, 0.98, 1.02, "0% [-2, +2]"),
        (1.12, 1.09, 1.15, "+12% [+9, +15]"),
        (3.1, 2.92, 3.29, "3.10x [2.92, 3.29]"),
        (0.4, 0.36, 0.44, "0.40x [0.36, 0.44]"),
        (0.49999, 0.499987, 0.500013, "0.5000x [0.5000, 0.5000]"),
        (1.00001, 0.999987, 1.000013, "0.0% [0.0, 0.0]"),
        (1.044, math.nan, math.nan, "+4%"),
        (2.5, math.nan, math.nan, "2.5x"),
    ],
)
def test_a_ratio_is_told_as_a_change_or_beyond_half_and_double_as_a_factor(
    ratio: float, low: float, high: float, expected: str
) -> None:
    assert numbers.percent(ratio, low, high) == expected
