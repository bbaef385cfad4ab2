"""Scenes as files and as parts of the page: PNG and SVG that stand alone, and SVG whose colours and words follow the page's."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib import path as paths
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Polygon
from matplotlib.text import Text as Letters
from matplotlib.transforms import Affine2D

from analysis.charts._scene import About, Area, Point, Scene, Shape, Strokes, Text
from analysis.palette import COLOURS, INK
from analysis.words import LANGUAGES, plain

PNG_DPI = 200
FILE_WIDTH = 720.0
"""Points: 10 inches, so a PNG is 2,000 pixels wide."""
BOX = 16.0
"""The side of the box in which `palette.Mark.path` is drawn."""
_LIGHT = {**{name: colour.light for name, colour in INK.items()}, **{f"fw-{k}": v.light for k, v in COLOURS.items()}}


def svg(scene: Scene) -> bytes:
    """The picture as a file of its own, in English: the same bytes for the same picture, with no date in it."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(scene.width)}" height="{_n(scene.height)}" '
        f'viewBox="0 0 {_n(scene.width)} {_n(scene.height)}" font-family="DejaVu Sans, Verdana, sans-serif">'
    )
    ground = f'<rect width="100%" height="100%" fill="{_LIGHT["bg"]}"/>'
    body = "\n".join(_element(shape, _LIGHT, page=False) for shape in scene.shapes)
    return f"{head}\n{ground}\n{body}\n</svg>\n".encode("utf-8", "replace")


def inline_svg(scene: Scene, *, label: object) -> Markup:
    """The picture as an element of the page; `label` is what a screen reader says.

    Colours are the style sheet's variables, so that one picture serves light and dark; the page gives its font. A text that differs
    between languages is there in each, for the style sheet to show one.
    """
    inks = {name: f"var(--{name})" for name in _LIGHT}
    body = "".join(_element(shape, inks, page=True) for shape in scene.shapes)
    size = f"{_n(scene.width)} {_n(scene.height)}"
    return Markup('<svg viewBox="0 0 {}" role="img" aria-label="{}">{}</svg>').format(
        size, plain(label, "en"), Markup(body)
    )


def _element(shape: Shape, inks: Mapping[str, str], *, page: bool) -> str:
    ink = inks[shape.ink]
    about = _about(shape.about) if page else ""
    inside = _title(shape.about) if shape.about and shape.about.tip else ""
    if isinstance(shape, Text):
        return _text(shape, ink, about, page=page)
    if isinstance(shape, Strokes):
        d = "".join("M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in line) for line in shape.lines)
        dash = f' stroke-dasharray="{_n(shape.dash[0])} {_n(shape.dash[1])}"' if shape.dash else ""
        look = f'fill="none" stroke="{ink}" stroke-width="{_n(shape.width)}"{dash}{_opacity(shape.opacity)}'
        return _closed("path", f'd="{d}" {look}{about}', inside)
    if isinstance(shape, Area):
        points = " ".join(f"{_n(x)},{_n(y)}" for x, y in shape.points)
        return _closed("polygon", f'points="{points}" fill="{ink}"{_opacity(shape.opacity)}{about}', inside)
    scale = shape.size / BOX
    x, y = shape.at[0] - shape.size / 2, shape.at[1] - shape.size / 2
    place = f'transform="translate({_n(x)} {_n(y)}) scale({scale:.3g})"'
    edge = f' stroke="{ink}" stroke-width="{1.6 / scale:.3g}"' if shape.size > 5 else ""
    fill = inks["bg"] if shape.hollow else ink
    return _closed("path", f'd="{shape.mark.path}" {place} fill="{fill}"{edge}{_opacity(shape.opacity)}{about}', inside)


def _text(shape: Text, ink: str, about: str, *, page: bool) -> str:
    anchor = f' text-anchor="{shape.anchor}"' if shape.anchor != "start" else ""
    bold = ' font-weight="bold"' if shape.bold else ""
    # a third of the size below the middle is where letters stand: not every reader knows dominant-baseline
    look = (
        f'x="{_n(shape.at[0])}" y="{_n(shape.at[1] + 0.35 * shape.size)}" font-size="{_n(shape.size)}" '
        f'fill="{ink}"{anchor}{bold}{about}'
    )
    texts = {language: plain(shape.words, language) for language in (LANGUAGES if page else ["en"])}
    if len(set(texts.values())) == 1:
        return f"<text {look}>{escape(texts['en'])}</text>"
    return "".join(f'<text lang="{language}" {look}>{escape(text)}</text>' for language, text in texts.items())


def _closed(tag: str, attributes: str, inside: str) -> str:
    return f"<{tag} {attributes}>{inside}</{tag}>" if inside else f"<{tag} {attributes}/>"


def _about(about: About | None) -> str:
    if about is None:
        return ""
    values = {"stack": about.stack} if about.stack else {}
    values |= {name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in about.values.items()}
    return "".join(f' data-{name}="{escape(value)}"' for name, value in values.items())


def _title(about: About) -> str:
    return f"<title>{escape(about.tip)}</title>"


def _opacity(share: float) -> str:
    return f' opacity="{_n(share)}"' if share < 1 else ""


def _n(value: float) -> str:
    """A length to the tenth, without more digits than it has."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if abs(value) >= 10 else f"{value:.3g}"


_SETTINGS: dict[Any, Any] = {"font.family": ["DejaVu Sans"], "text.parse_math": False, "axes.unicode_minus": False}


def png(scene: Scene, *, dpi: int | None = None) -> bytes:
    """The picture at `PNG_DPI`, twice the usual density, or at `dpi`; in English."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        mpl.rcdefaults()  # whatever the user's own settings are
        mpl.rcParams.update(_SETTINGS)
        figure = Figure(figsize=(scene.width / 72, scene.height / 72), facecolor=_LIGHT["bg"])
        axes = figure.add_axes((0, 0, 1, 1), facecolor="none")
        axes.set_axis_off()
        axes.set_xlim(0, scene.width)
        axes.set_ylim(scene.height, 0)
        for order, shape in enumerate(scene.shapes):
            for artist in _artists(shape, order):
                axes.add_artist(artist)
        target = io.BytesIO()
        figure.savefig(
            target, format="png", dpi=dpi or PNG_DPI, metadata={"Software": None}, pil_kwargs={"compress_level": 2}
        )
        return target.getvalue()


def _artists(shape: Shape, order: int) -> Iterator[Any]:
    ink = _LIGHT[shape.ink]
    if isinstance(shape, Text):
        align = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
        yield Letters(
            *shape.at, plain(shape.words, "en"), size=shape.size, color=ink, ha=align, va="center_baseline",
            weight="bold" if shape.bold else "normal", parse_math=False, zorder=order,
        )  # fmt: skip
    elif isinstance(shape, Strokes):
        dash = (0, tuple(part / shape.width for part in shape.dash)) if shape.dash else "solid"
        yield LineCollection(
            [np.asarray(line) for line in shape.lines], colors=ink, linewidths=shape.width, linestyles=dash, alpha=shape.opacity,
            capstyle="butt", joinstyle="round", zorder=order,
        )  # fmt: skip
    elif isinstance(shape, Area):
        yield Polygon(
            np.asarray(shape.points), closed=True, facecolor=ink, edgecolor="none", alpha=shape.opacity, zorder=order
        )
    else:
        scale = shape.size / BOX
        moved = Affine2D().translate(-BOX / 2, -BOX / 2).scale(scale).translate(*shape.at)
        edged = shape.size > 5  # mixed with the paper instead, since its edge and its face overlap
        ink = _mixed(ink, shape.opacity) if edged else ink
        yield PathPatch(
            outline(shape.mark.path).transformed(moved), facecolor=_LIGHT["bg"] if shape.hollow else ink, edgecolor=ink,
            linewidth=1.6 if edged else 0, alpha=None if edged else shape.opacity, joinstyle="miter", zorder=order,
        )  # fmt: skip


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
