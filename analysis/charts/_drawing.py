"""What every chart draws with: shapes one by one, the words above and below, the legend of worker models."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Literal

from analysis.charts._chart import Sheet
from analysis.charts._scene import About, Area, Point, Scene, Shape, Strokes, Symbol, Text, Words
from analysis.outside import shortened
from analysis.palette import mark
from analysis.words import plain, say

MARGIN = 22.0
HATCH_STEP = 4.0
Anchor = Literal["start", "middle", "end"]


def width_of(words: Words, size: float) -> float:
    """About how wide a text is: letters by their kind, since the reader's font is not known; the widest of all languages."""
    from analysis.words import LANGUAGES

    return max(sum(_share(letter) for letter in plain(words, language)) for language in LANGUAGES) * size


def _share(letter: str) -> float:
    if ord(letter) > 0x2E80:
        return 1.0
    return 0.32 if letter in "iljtfI.,:;'|![]() " else 0.85 if letter in "mwMW%@" else 0.61


class Drawing:
    """A picture that grows: `width` is fixed, the height is told at the end."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet, self.width = sheet, sheet.width
        self.titled = sheet.title is not None
        self.small = 9.0 if self.titled else 12.0
        """The size of names and figures."""
        self._shapes: list[Shape] = []

    def strokes(
        self, lines: Iterable[Sequence[Point]], ink: str, *, width: float = 1.0, dash: tuple[float, float] | None = None,
        opacity: float = 1.0, about: About | None = None,
    ) -> None:  # fmt: skip
        """Lines of one ink."""
        kept = tuple(tuple(line) for line in lines)
        self._shapes.append(Strokes(lines=kept, ink=ink, width=width, dash=dash, opacity=opacity, about=about))

    def area(self, points: Iterable[Point], ink: str, *, opacity: float = 1.0, about: About | None = None) -> None:
        """A filled polygon."""
        self._shapes.append(Area(points=tuple(points), ink=ink, opacity=opacity, about=about))

    def box(
        self, x: float, y: float, width: float, height: float, ink: str, *, opacity: float = 1.0, about: About | None = None
    ) -> None:  # fmt: skip
        """A filled rectangle from its upper left corner."""
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        self.area(corners, ink, opacity=opacity, about=about)

    def striped(self, x: float, y: float, width: float, height: float, ink: str, *, about: About | None = None) -> None:
        """A rectangle with an edge and stripes that rise to the right, cut at its edges."""
        self.box(x, y, width, height, "bg", about=about)
        lines: list[Sequence[Point]] = []
        at = HATCH_STEP / 2
        while at < width + height:
            first = (x + max(0.0, at - height), y + min(at, height))
            last = (x + min(at, width), y + max(0.0, at - width))
            lines.append((first, last))
            at += HATCH_STEP
        self.strokes(lines, ink, width=0.9)
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y))
        self.strokes([corners], ink, width=0.9)

    def symbol(
        self, x: float, y: float, model: str, ink: str, *, size: float = 11.0, hollow: bool = False, opacity: float = 1.0,
        about: About | None = None,
    ) -> None:  # fmt: skip
        """The mark of a worker model."""
        self._shapes.append(
            Symbol(
                at=(x, y), mark=mark(model), ink=ink, size=size, hollow=hollow, opacity=opacity, about=about
            )
        )  # fmt: skip

    def text(
        self, x: float, y: float, words: Words, *, size: float | None = None, ink: str = "text", anchor: Anchor = "start",
        bold: bool = False, about: About | None = None,
    ) -> None:  # fmt: skip
        """One line of text, `y` its vertical middle."""
        self._shapes.append(
            Text(
                at=(x, y), words=words, size=size or self.small, ink=ink, anchor=anchor, bold=bold, about=about
            )
        )  # fmt: skip

    def head(self) -> float:
        """Title and subtitle, on a sheet that has them; returns where the picture may begin."""
        if self.sheet.title is None:
            return 2.0
        title = textwrap.wrap(plain(self.sheet.title, "en"), int((self.width - 2 * MARGIN) / 8.6))
        subtitle = textwrap.wrap(plain(self.sheet.subtitle, "en"), int((self.width - 2 * MARGIN) / 4.75))
        for number, line in enumerate(title):
            self.text(MARGIN, MARGIN + 8 + 20 * number, line, size=14.5, bold=True)
        for number, line in enumerate(subtitle):
            self.text(MARGIN, MARGIN + 8 + 20 * len(title) + 12.5 * number, line, size=8.8, ink="muted")
        return MARGIN + 20 * len(title) + 12.5 * len(subtitle) + 12

    def legend(self, models: Iterable[str], x: float, y: float) -> float:
        """Every worker model's mark with its name, in one or more lines from `x`; returns the height used."""
        at, line = x, 0.0
        for model in dict.fromkeys(models):
            key = model if mark(model) is not mark("") else "unknown"
            words = say(f"model.{key}")
            wide = 16 + width_of(words, self.small) + 14
            if at + wide > self.width - 6 and at > x:
                at, line = x, line + 16
            self.symbol(at + 5, y + line + 6, model, "text", size=9)
            self.text(at + 14, y + line + 6, words, ink="muted")
            at += wide
        return line + 18

    def done(self, height: float) -> Scene:
        """The picture, with the footer below it on a sheet that has one."""
        if self.titled and self.sheet.footer:
            height += 20
            self.text(MARGIN, height - 10, shortened(self.sheet.footer, 168), size=7.5, ink="muted")
        return Scene(width=self.width, height=height, shapes=tuple(self._shapes))
