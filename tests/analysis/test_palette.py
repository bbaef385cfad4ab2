"""Frameworks are told apart by everyone: distance in OKLab, for normal sight and three simulated deficiencies, and contrast.

Sources: OKLab, B. Ottosson (2020); Machado, Oliveira and Fernandes (2009), severity 1.0, in linear RGB; WCAG 2 contrast.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from analysis import palette
from analysis.palette import COLOURS, FRAMEWORKS, INK, MARKS, Colour, framework_keys

SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(hex_colour: str) -> Any:
    channels = np.array([int(hex_colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(rgb: Any) -> Any:
    return TO_OKLAB @ np.cbrt(TO_LMS @ np.clip(rgb, 0, 1))


def distance(one: str, other: str, sight: str) -> float:
    """100 times the distance in OKLab, as it looks to eyes of that kind."""
    seen = SIGHT[sight]
    return float(100 * np.linalg.norm(oklab(seen @ linear(one)) - oklab(seen @ linear(other))))


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((float(np.dot([0.2126, 0.7152, 0.0722], linear(c))) for c in (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def smallest(colours: Mapping[str, Colour], theme: str, sight: str) -> float:
    pairs = itertools.combinations((getattr(colour, theme) for colour in colours.values()), 2)
    return min(distance(one, other, sight) for one, other in pairs)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize(("theme", "limit"), [("light", 9.3), ("dark", 10.5)])
def test_frameworks_are_told_apart(theme: str, limit: float, sight: str) -> None:
    assert smallest(FRAMEWORKS, theme, sight) >= limit


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_spare_colours_are_told_apart_from_all(theme: str, sight: str) -> None:
    spare = {name: colour for name, colour in COLOURS.items() if name != "other"}
    assert smallest(spare, theme, sight) >= 7.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_against_both_backgrounds(theme: str) -> None:
    for name, colour in COLOURS.items():
        for ground in ("bg", "panel"):
            assert contrast(getattr(colour, theme), getattr(INK[ground], theme)) >= 3, name
    for name in ("text", "muted", "link", "good", "warn", "bad"):
        for ground in ("bg", "panel"):
            assert contrast(getattr(INK[name], theme), getattr(INK[ground], theme)) >= 4.5, name


def test_colours_are_lower_case_hex_and_marks_differ() -> None:
    for colour in [*COLOURS.values(), *INK.values()]:
        for value in (colour.light, colour.dark):
            assert value == value.lower()
            assert len(value) == 7
    marks = [*MARKS.values(), palette.UNKNOWN_MARK]
    assert len({mark.matplotlib for mark in marks}) == len(marks)
    assert len({mark.path for mark in marks}) == len(marks)


def test_an_app_goes_before_its_framework_and_unknown_ones_share_the_spares() -> None:
    pairs = [
        ("django-async", "django"),
        ("django", "django"),
        ("zz", "zz"),
        ("quart", "quart"),
        ("quart-raw", "quart"),
        ("aa", "aa"),
    ]
    keys = framework_keys(pairs)
    assert keys["django-async", "django"] == "django-async"
    assert keys["django", "django"] == "django"
    assert keys["aa", "aa"] == "spare-1"
    assert keys["quart", "quart"] == keys["quart-raw", "quart"] == "spare-2"
    assert keys["zz", "zz"] == "other"
    assert framework_keys(reversed(pairs)) == keys
