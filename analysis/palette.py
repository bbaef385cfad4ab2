"""Colours and marks: one colour for each framework, one shape for each worker model, the same in every picture and table.

The hex values are checked in tests/analysis/test_palette.py: contrast against both backgrounds, and the distance between any two
frameworks in OKLab, for normal sight and three simulated deficiencies. Change one and run that test.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Colour:
    """One meaning, as `#rrggbb` on a light and on a dark page."""

    light: str
    dark: str


INK: Mapping[str, Colour] = {
    "bg": Colour(light="#ffffff", dark="#0f141a"),
    "panel": Colour(light="#f4f6f8", dark="#1a212a"),
    "text": Colour(light="#18202a", dark="#e8edf3"),
    "muted": Colour(light="#55606e", dark="#a3aebb"),
    "link": Colour(light="#1b4fa8", dark="#8ab8ff"),
    "focus": Colour(light="#1b4fa8", dark="#ffd166"),
    "axis": Colour(light="#6b7684", dark="#7f8b99"),
    "line": Colour(light="#dfe4ea", dark="#2a333e"),
    "good": Colour(light="#0b6b3a", dark="#5fd08a"),
    "warn": Colour(light="#8a5a00", dark="#f0b84a"),
    "bad": Colour(light="#b3261e", dark="#ff8a80"),
}

FRAMEWORKS: Mapping[str, Colour] = {
    "django": Colour(light="#003f16", dark="#aad9a2"),
    "django-async": Colour(light="#005556", dark="#087c67"),
    "flask": Colour(light="#d66f05", dark="#f47522"),
    "bottle": Colour(light="#685c00", dark="#f7bb04"),
    "tornado": Colour(light="#3356c4", dark="#768cfc"),
    "aiohttp": Colour(light="#0f94bd", dark="#70c0ff"),
    "twisted": Colour(light="#8f61fc", dark="#8b54ba"),
    "asyncio": Colour(light="#18202a", dark="#e8edf3"),
    "koa": Colour(light="#aa028c", dark="#cc88a4"),
    "go": Colour(light="#ab6561", dark="#d42220"),
}

SPARE: tuple[Colour, ...] = (Colour(light="#54006c", dark="#b400f0"), Colour(light="#fc24a8", dark="#9c78c0"))
"""For frameworks that have no colour of their own yet: the farthest from all above, found by searching the sRGB cube."""

OTHER = Colour(light="#55606e", dark="#a3aebb")
"""When the spares are used up: a grey, told apart by its label alone."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The shape of a worker model: `matplotlib` is its marker there, `path` its outline in an 16 x 16 SVG box."""

    words: str
    matplotlib: str
    path: str


MARKS: Mapping[str, Mark] = {
    "sync": Mark(words="sync prefork", matplotlib="s", path="M3 3H13V13H3Z"),
    "threads": Mark(words="threads", matplotlib="P", path="M6 2H10V6H14V10H10V14H6V10H2V6H6Z"),
    "greenlets": Mark(words="greenlets", matplotlib="D", path="M8 1.5L14.5 8L8 14.5L1.5 8Z"),
    "loop": Mark(words="one event loop", matplotlib="o", path="M8 2.5A5.5 5.5 0 1 1 7.99 2.5Z"),
    "loops": Mark(words="event loop x N", matplotlib="^", path="M8 2L14.5 13.5H1.5Z"),
    "asgi": Mark(words="ASGI with a thread pool", matplotlib="v", path="M1.5 2.5H14.5L8 14Z"),
    "dev": Mark(
        words="development server",
        matplotlib="X",
        path="M4.5 2L8 5.5L11.5 2L14 4.5L10.5 8L14 11.5L11.5 14L8 10.5L4.5 14L2 11.5L5.5 8L2 4.5Z",
    ),
    "native": Mark(
        words="Node or Go", matplotlib="*", path="M8 1L9.9 6H15L10.9 9.2L12.4 14.4L8 11.3L3.6 14.4L5.1 9.2L1 6H6.1Z"
    ),
}

UNKNOWN_MARK = Mark(
    words="worker model not recorded", matplotlib="h", path="M8 1.5L13.6 4.75V11.25L8 14.5L2.4 11.25V4.75Z"
)


def mark(model: str) -> Mark:
    """The mark of a worker model, or that of an unknown one."""
    return MARKS.get(model, UNKNOWN_MARK)


def framework_keys(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """From (app, framework) to the name of its colour.

    An app with a colour of its own (`django-async`) goes before its framework; frameworks without one share out the spares in
    order of name, so that the same run is always drawn alike.
    """
    keys: dict[tuple[str, str], str] = {}
    unknown: list[str] = []
    for app, framework in sorted(set(pairs)):
        known = next((name for name in (app, framework) if name in FRAMEWORKS), None)
        if known is None and framework not in unknown:
            unknown.append(framework)
        keys[app, framework] = known or f"spare-{unknown.index(framework) + 1}"
    return {pair: key if key in COLOURS else "other" for pair, key in keys.items()}


COLOURS: Mapping[str, Colour] = {
    **FRAMEWORKS,
    **{f"spare-{number}": colour for number, colour in enumerate(SPARE, 1)},
    "other": OTHER,
}
"""Every colour that a stack may have, by the name used in the page's style sheet."""
