"""Scenes as files and as parts of the page: PNG and SVG that stand alone, and SVG whose colours and words follow the page's."""

from collections.abc import Mapping

from markupsafe import Markup, escape

from analysis import raster
from analysis.charts._scene import About, Area, Scene, Shape, Strokes, Text
from analysis.raster import BOX, LIGHT, outline
from analysis.words import LANGUAGES, plain

__all__ = ["FILE_WIDTH", "PNG_DPI", "inline_svg", "outline", "png", "svg"]

PNG_DPI = 200
FILE_WIDTH = 720.0
"""Points: 10 inches, so a PNG is 2,000 pixels wide."""


def svg(scene: Scene) -> bytes:
    """The picture as a file of its own, in English: the same bytes for the same picture, with no date in it."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(scene.width)}" height="{_n(scene.height)}" '
        f'viewBox="0 0 {_n(scene.width)} {_n(scene.height)}" font-family="DejaVu Sans, Verdana, sans-serif">'
    )
    ground = f'<rect width="100%" height="100%" fill="{LIGHT["bg"]}"/>'
    body = "\n".join(_element(shape, LIGHT, page=False) for shape in scene.shapes)
    return f"{head}\n{ground}\n{body}\n</svg>\n".encode("utf-8", "replace")


def inline_svg(scene: Scene, *, label: object) -> Markup:
    """The picture as an element of the page; `label` is what a screen reader says.

    Colours are the style sheet's variables, so that one picture serves light and dark; the page gives its font. A text that differs
    between languages is there in each, for the style sheet to show one.
    """
    inks = {name: f"var(--{name})" for name in LIGHT}
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


def png(scene: Scene, *, dpi: int | None = None) -> bytes:
    """The picture at `PNG_DPI`, twice the usual density, or at `dpi`; in English."""
    return raster.png(scene, dpi=dpi or PNG_DPI)
