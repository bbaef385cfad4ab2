"""Files of a report: each replaced in one step, so that a reader sees the old one or the new one, and linked by relative URLs."""

import os
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

PICTURES = (".png", ".svg")


def replace(path: Path, content: str | bytes) -> None:
    """Write a file in one step. What of a text is no UTF-8 becomes a question mark."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content.encode("utf-8", "replace") if isinstance(content, str) else content)
    new.replace(path)


def remove_pictures(folder: Path, but: Collection[str]) -> None:
    """Take away pictures of an earlier report that this one does not have: they would be read as its own."""
    for path in folder.iterdir():
        if path.suffix in PICTURES and path.name not in but:
            path.unlink()


def link(target: Path, page_folder: Path) -> str:
    """From a page in `page_folder` to a file or folder, as a relative URL."""
    return quote(Path(os.path.relpath(target.resolve(), page_folder.resolve())).as_posix())
