"""The rows of World, Fortune and Item, exactly: the same in every run, on every machine.

Schema and messages of the first two are TechEmpower's (`toolset/databases/postgres/create-postgres.sql` in its
repository). The random numbers come from a fixed seed and not from the server, so that a digest tells whether the tables
are as they were made.
"""

import hashlib
import random
from collections.abc import Iterable

WORLD_ROWS = 10_000
"""Ids run from 1 to this; so do the random numbers."""

SEED = 20130328
"""The day of the first TechEmpower round. Changing it changes the data: raise `bench.database.data.VERSION` with it."""

FORTUNES: tuple[tuple[int, str], ...] = (
    (1, "fortune: No such file or directory"),
    (2, "A computer scientist is someone who fixes things that aren't broken."),
    (3, "After enough decimal places, nobody gives a damn."),
    (4, "A bad random number generator: 1, 1, 1, 1, 1, 4.33e+67, 1, 1, 1"),
    (5, "A computer program does what you tell it to do, not what you want it to do."),
    (6, "Emacs is a nice operating system, but I prefer UNIX. — Tom Christaensen"),
    (7, "Any program that runs right is obsolete."),
    (8, "A list is only as strong as its weakest link. — Donald Knuth"),
    (9, "Feature: A bug with seniority."),
    (10, "Computers make very fast, very accurate mistakes."),
    (11, '<script>alert("This should not be displayed in a browser alert box.");</script>'),
    (12, "フレームワークのベンチマーク"),
)

ITEMS: tuple[tuple[int, str, int], ...] = tuple(
    (row, name, quantity)
    for row, (name, quantity) in enumerate(
        (
            ("Ballpoint pen", 1200),
            ("Pencil, HB", 3400),
            ("Eraser", 560),
            ("Ruler, 30 cm", 210),
            ("Notebook A5", 900),
            ("Notebook A4", 750),
            ("Sketchbook", 80),
            ("Stapler", 45),
            ("Staples (box of 1000)", 640),
            ("Paper clips", 5000),
            ("Folder, grey", 320),
            ("Folder, blue", 310),
            ("Envelope C5", 8000),
            ("Envelope C4", 4000),
            ("Label <65 × 38 mm>", 150),
            ("Sticky notes", 2400),
            ('Marker "permanent"', 330),
            ("Scissors & sheath", 60),
            ("Glue stick", 410),
            ("Füllfederhalter", 25),
            ("万年筆", 12),
            ("Ink, black", 0),
            ("Desk lamp", 18),
            ("Whiteboard", 1000000),
        ),
        start=1,
    )
)
"""`(id, name, quantity)`: more than one page of `/api/items`, both bounds of the quantity, and text that JSON leaves as it is."""


def world() -> list[tuple[int, int]]:
    """`(id, randomnumber)` for every row, in ascending order of id.

    Built on `Random.random()`, the one generator whose sequence Python promises to keep between versions.
    """
    numbers = random.Random(SEED)
    return [(row, int(numbers.random() * WORLD_ROWS) + 1) for row in range(1, WORLD_ROWS + 1)]


def digest() -> str:
    """What `row_digest` reads from tables that hold exactly these rows."""
    return combined(_lines(world()), _lines(FORTUNES), _lines((row, f"{count}:{name}") for row, name, count in ITEMS))


def combined(*tables: str) -> str:
    """One SHA-256, in hex, over all tables: each as lines `id:value`, in ascending order of id, joined by newlines."""
    return hashlib.sha256("\n\n".join(tables).encode()).hexdigest()


def _lines(rows: Iterable[tuple[int, object]]) -> str:
    return "\n".join(f"{row}:{value}" for row, value in rows)
