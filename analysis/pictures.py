"""Figures as files and as parts of the page: PNG and SVG that stand alone, and SVG whose colours follow the page's theme."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from analysis.palette import COLOURS, INK

PNG_DPI = 200
FILE_WIDTH_IN = 10.0
PAGE_WIDTH_IN = 4.0
"""Near to the width at which the page shows a chart, on a phone as in three columns, so that its text is shown as large as drawn."""

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "forkloop",
    "font.family": ["DejaVu Sans"],
    "hatch.linewidth": 1.0,
    "text.parse_math": False,
    "axes.unicode_minus": False,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_VARIABLES = {
    **{colour.light: f"var(--fw-{name})" for name, colour in COLOURS.items()},
    **{colour.light: f"var(--{name})" for name, colour in INK.items() if name != "focus"},
}
_HEX = re.compile(r"#[0-9a-f]{6}")
_ID = re.compile(r'(\bid="|url\(#|href="#)')
_FONT = re.compile(r"'DejaVu Sans'(?:, [^;\"]*)?")


@contextmanager
def settings() -> Iterator[None]:
    """What every chart is drawn and written with, whatever the user's own matplotlib settings are."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def png(figure: Figure) -> bytes:
    """The figure at twice the usual density."""
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=PNG_DPI, metadata={"Software": None}, pil_kwargs={"compress_level": 2})
    return target.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as a file of its own: the same bytes for the same figure, with no date in it."""
    target = io.BytesIO()
    figure.savefig(target, format="svg", metadata=_NO_METADATA)
    return target.getvalue()


def inline_svg(figure: Figure, *, name: str, label: str) -> Markup:
    """The figure as an element of the page. `name` keeps its ids apart from other figures', `label` is what a screen reader says.

    Colours become the style sheet's variables, so that one picture serves light and dark; the page gives size and font.
    """
    text = svg(figure).decode()
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = _HEX.sub(lambda found: _VARIABLES.get(found[0], found[0]), body)
    body = _FONT.sub("var(--font)", body)
    body = _ID.sub(rf"\g<1>{name}-", body)
    found = re.search(r'viewBox="([0-9. ]+)"', text)
    assert found, "matplotlib writes a viewBox"
    return Markup(f'<svg viewBox="{found[1]}" role="img" aria-label="{escape(label)}">{body}')
