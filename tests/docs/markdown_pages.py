"""Reading the documentation as a test needs it: sections, tables, code and links of a Markdown page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
_PARSER = MarkdownIt("commonmark").enable("table")
_HEADING = re.compile(r"(#+) +(.*)")
_COLUMNS = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tokens(self) -> list[Token]:
        return list(_flat(_PARSER.parse(self.text)))

    def headings(self) -> list[str]:
        return [self.tokens[at + 1].content for at, token in enumerate(self.tokens) if token.type == "heading_open"]

    def anchors(self) -> set[str]:
        """The ids that GitHub gives to headings."""
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in self.headings()}

    def links(self) -> list[str]:
        """Where links and images point."""
        links = [str(target) for token in self.tokens if (target := token.attrGet("href") or token.attrGet("src"))]
        return [*links, *self._pictures()]

    def images(self) -> list[str]:
        return [*(str(token.attrGet("src")) for token in self.tokens if token.type == "image"), *self._pictures()]

    def _pictures(self) -> list[str]:
        """What `<picture>` elements show: Markdown has no picture of two themes."""
        html = "".join(token.content for token in self.tokens if token.type == "html_block")
        return re.findall(r'\b(?:src|srcset)="([^"]+)"', html)

    def commands(self) -> Iterator[str]:
        """Every code span, and every line of a code block: what a reader might type, comments taken off."""
        for token in self.tokens:
            if token.type == "code_inline":
                yield token.content
            elif token.type == "code_block" or (token.type == "fence" and token.info in ("", "sh", "console")):
                yield from (line.partition(" #")[0].strip().removeprefix("$ ") for line in token.content.splitlines())

    def files(self) -> dict[str, str]:
        """From path to content: fenced blocks after a line that is nothing but `path`:"""
        found = {}
        blocks = _PARSER.parse(self.text)
        for before, _, block in zip(blocks, blocks[1:], blocks[2:], strict=False):
            named = re.fullmatch(r"`([^`]+)`:", before.content) if before.type == "inline" else None
            if named and block.type == "fence":
                found[named[1]] = block.content
        return found

    def section(self, heading: str) -> str:
        """The text below a heading, down to the next heading of any level."""
        lines = self.text.splitlines()
        starts = [at for at, line in enumerate(lines) if (found := _HEADING.match(line)) and found[2] == heading]
        assert len(starts) == 1, f"{self}: expected one heading '{heading}', found {len(starts)}"
        rest = lines[starts[0] + 1 :]
        end = next((at for at, line in enumerate(rest) if _HEADING.match(line)), len(rest))
        return "\n".join(rest[:end])

    def tables(self, heading: str) -> list[list[list[str]]]:
        """The tables of a section: rows of cells, without the heads."""
        tables: list[list[list[str]]] = []
        inside = False
        for line in self.section(heading).splitlines():
            if not line.startswith("|"):
                inside = False
                continue
            if not inside:
                tables.append([])
                inside = True
            tables[-1].append([cell.strip() for cell in _COLUMNS.split(line)[1:-1]])
        return [rows[2:] for rows in tables]


def code(cell: str) -> list[str]:
    """The code spans in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def pages() -> list[Page]:
    """Every Markdown page of the project; runs and environments are none of it."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "results"))]
    found = [*ROOT.glob("*.md"), *ROOT.glob("results/*.md"), *(page for top in folders for page in top.rglob("*.md"))]
    return [Page(path) for path in sorted(found)]


def page(name: str) -> Page:
    return Page(ROOT / name)


def _flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or [])
