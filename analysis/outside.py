"""Text that came from outside (logs, reasons, versions, host names): made fit to print and to draw, never trusted as markup.

Escaping is the template's work; this takes out what no document may hold: control characters, terminal colours, lone surrogates.
"""

import re

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")


def block(value: object) -> str:
    """`value` as text whose line breaks are kept."""
    text = _ANSI.sub("", str(value)).replace("\r\n", "\n").replace("\r", "\n")
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text).expandtabs(4)


def line(value: object) -> str:
    """`value` as one line of text."""
    return " ".join(block(value).split())


def shortened(text: str, limit: int) -> str:
    """`text` within `limit` characters, with an ellipsis where its end was cut."""
    return text if len(text) <= limit else text[: max(limit - 1, 1)].rstrip() + ELLIPSIS


def abridged(text: str, limit: int) -> str:
    """`text` within `limit` characters, cut in its middle: names that share a beginning often differ at the end."""
    if len(text) <= limit:
        return text
    head = max((limit - 1) // 2, 1)
    return text[:head] + ELLIPSIS + text[len(text) - max(limit - 1 - head, 1) :]
