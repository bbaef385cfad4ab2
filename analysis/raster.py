"""Scenes as PNG. Shapes go to matplotlib's renderer one by one: a figure with axes and an artist for each took four times as long."""

import re
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import path as paths
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgba
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from analysis.charts._scene import Area, Point, Scene, Strokes, Symbol, Text
from analysis.palette import COLOURS, INK
from analysis.words import plain

BOX = 16.0
"""The side of the box in which `palette.Mark.path` is drawn."""
LIGHT = {**{name: colour.light for name, colour in INK.items()}, **{f"fw-{k}": v.light for k, v in COLOURS.items()}}
MIDDLE = 0.38
"""How far below a text's middle its letters stand, as a share of their size: half of how far DejaVu Sans goes up."""
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}


def png(scene: Scene, *, dpi: int) -> bytes:
    """The picture in English, `dpi` pixels to the inch of 72 points."""
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the user's own settings are
        page = _Page(scene, dpi)
        page.paint(scene)
        packed = BytesIO()
        Image.fromarray(page.pixels).convert("RGB").save(packed, "PNG", dpi=(dpi, dpi), compress_level=2)
        return packed.getvalue()


class _Page:
    """What is painted on: pixels, with the origin at the bottom."""

    def __init__(self, scene: Scene, dpi: int) -> None:
        self.scale = dpi / 72
        width, height = scene.width * self.scale, scene.height * self.scale
        untyped: Any = RendererAgg
        self.renderer = untyped(width, height, dpi)
        self.pixels: NDArray[np.uint8] = np.asarray(self.renderer.buffer_rgba())
        self.place = Affine2D().scale(self.scale, -self.scale).translate(0, height)

    def paint(self, scene: Scene) -> None:
        """All shapes, the first at the bottom."""
        self.pixels[:] = _bytes(LIGHT["bg"])
        for shape in scene.shapes:
            if isinstance(shape, Text):
                self._text(shape)
            elif isinstance(shape, Strokes):
                self._strokes(shape)
            elif isinstance(shape, Area):
                self._area(shape)
            else:
                self._symbol(shape)

    def _text(self, shape: Text) -> None:
        left, bottom, mask = _letters(
            plain(shape.words, "en").replace("\n", " "), shape.size * self.scale, bold=shape.bold, anchor=shape.anchor
        )
        if not mask.size:
            return
        letters = np.empty((*mask.shape, 4), np.uint8)
        letters[:] = _bytes(LIGHT[shape.ink])
        letters[:, :, 3] = mask
        x, baseline = self.place.transform((shape.at[0], shape.at[1] + MIDDLE * shape.size))
        context = self.renderer.new_gc()
        self.renderer.draw_image(context, round(x) + left, round(baseline) - bottom, letters)
        context.restore()

    def _strokes(self, shape: Strokes) -> None:
        context = self.renderer.new_gc()
        context.set_foreground(to_rgba(LIGHT[shape.ink], shape.opacity), isRGBA=True)
        context.set_linewidth(shape.width)
        context.set_capstyle("butt")
        context.set_joinstyle("round")
        if shape.dash:
            context.set_dashes(0, shape.dash)
        for line in shape.lines:
            self.renderer.draw_path(context, paths.Path(np.asarray(line)), self.place)
        context.restore()

    def _area(self, shape: Area) -> None:
        context = self.renderer.new_gc()
        context.set_linewidth(0)
        outlined = paths.Path([*shape.points, shape.points[0]], closed=True)
        self.renderer.draw_path(context, outlined, self.place, to_rgba(LIGHT[shape.ink], shape.opacity))
        context.restore()

    def _symbol(self, shape: Symbol) -> None:
        scale = shape.size / BOX
        moved = Affine2D().translate(-BOX / 2, -BOX / 2).scale(scale).translate(*shape.at) + self.place
        edged = shape.size > 5  # mixed with the paper instead, since its edge and its face overlap
        ink = to_rgba(_mixed(LIGHT[shape.ink], shape.opacity)) if edged else to_rgba(LIGHT[shape.ink], shape.opacity)
        context = self.renderer.new_gc()
        context.set_foreground(ink, isRGBA=True)
        context.set_linewidth(1.6 if edged else 0)
        context.set_joinstyle("miter")
        face = to_rgba(LIGHT["bg"]) if shape.hollow else ink
        self.renderer.draw_path(context, outline(shape.mark.path), moved, face)
        context.restore()


@lru_cache(maxsize=2000)
def _letters(words: str, size: float, *, bold: bool, anchor: str) -> tuple[int, int, NDArray[np.uint8]]:
    """How far a text begins left and ends below its anchor, and its coverage, the lowest row first. Names stand in every picture."""
    font = _font(size, bold=bold)
    left, top, right, bottom = (round(edge) for edge in font.getbbox(words, anchor=_ANCHORS[anchor]))
    if right <= left or bottom <= top:
        return 0, 0, np.zeros((0, 0), np.uint8)
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).text((-left, -top), words, 255, font, anchor=_ANCHORS[anchor])
    return left, bottom, np.asarray(mask)[::-1]


def _bytes(ink: str) -> list[int]:
    """A colour as red, green, blue and opacity."""
    return [round(255 * part) for part in to_rgba(ink)]


@cache
def _font(size: float, *, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along; `size` in pixels."""
    file = Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)


def _mixed(ink: str, share: float) -> str:
    """A colour over white paper."""
    parts = (int(ink[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 + share * (part - 255)):02x}" for part in parts)


@cache
def outline(d: str) -> paths.Path:
    """A path of `palette.MARKS` for matplotlib: of SVG's commands it knows M, L, H, V, Z, and a half circle as a whole one."""
    points: list[Point] = []
    for command, told in re.findall(r"([MLHVA])([^MLHVAZ]*)", d):
        values = [float(number) for number in told.split()]
        if command == "A":
            return paths.Path.circle((points[0][0], points[0][1] + values[0]), values[0])
        x, y = points[-1] if points else (0.0, 0.0)
        points.append(
            (values[0], y) if command == "H" else (x, values[0]) if command == "V" else (values[0], values[1])
        )
    return paths.Path([*points, points[0]], closed=True)
