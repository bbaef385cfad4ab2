"""Rules for /fortunes: first its parts, so that a failure says which, then the page as a whole."""

import html
import itertools
import re

from bench.verify.judge import decoded, difference, expect_status
from bench.verify.report import shown
from bench.verify.rule import BrokenError, Probe, Rule, require

ADDED = (0, "Additional fortune added at request time.")

STORED = (
    (1, "fortune: No such file or directory"),
    (2, "A computer scientist is someone who fixes things that aren't broken."),
    (3, "After enough decimal places, nobody gives a damn."),
    (4, "A bad random number generator: 1, 1, 1, 1, 1, 4.33e+67, 1, 1, 1"),
    (5, "A computer program does what you tell it to do, not what you want it to do."),
    (6, "Emacs is a nice operating system, but I prefer UNIX. \u2014 Tom Christaensen"),
    (7, "Any program that runs right is obsolete."),
    (8, "A list is only as strong as its weakest link. \u2014 Donald Knuth"),
    (9, "Feature: A bug with seniority."),
    (10, "Computers make very fast, very accurate mistakes."),
    (11, '<script>alert("This should not be displayed in a browser alert box.");</script>'),
    (12, "フレームワークのベンチマーク"),
)
"""TechEmpower's rows, as /fortunes has to show them where the table itself cannot be read."""

HEAD = "<!doctype html><html><head><title>Fortunes</title></head><body><table><tr><th>id</th><th>message</th></tr>"
TAIL = "</table></body></html>"
ROW = re.compile(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", re.DOTALL)
QUOTES = {"&#39;": "'", "&#039;": "'", "&#x27;": "'", "&quot;": '"', "&#34;": '"'}


def normalised(page: str) -> str:
    """Without whitespace between tags, and with quotes written as themselves: what may differ is gone."""
    page = re.sub(r">\s+<", "><", page.strip())
    for written, quote in QUOTES.items():
        page = page.replace(written, quote)
    return page


def expected_rows(stored: list[tuple[int, str]]) -> list[tuple[int, str]]:
    # Python compares strings by code point.
    return sorted([*stored, ADDED], key=lambda row: row[1])


def expected_page(rows: list[tuple[int, str]]) -> str:
    cells = "".join(f"<tr><td>{id}</td><td>{html.escape(message, quote=False)}</td></tr>" for id, message in rows)
    return f"{HEAD}{cells}{TAIL}"


def _stored(probe: Probe) -> list[tuple[int, str]]:
    return probe.tables.fortunes() if probe.tables is not None else list(STORED)


def _page(probe: Probe) -> str:
    answer = probe.once("/fortunes")
    expect_status(answer, 200)
    return normalised(decoded(answer.body))


def _cells(probe: Probe) -> list[tuple[str, str]]:
    return ROW.findall(_page(probe))


def _all_rows_are_there(probe: Probe) -> None:
    got = sorted(id for id, _ in _cells(probe))
    ids = sorted(str(id) for id, _ in expected_rows(_stored(probe)))
    require(got == ids, f"{len(got)} rows, ids {', '.join(sorted(got, key=lambda id: (len(id), id)))}")


def _one_row_is_added(probe: Probe) -> None:
    messages = [message for id, message in _cells(probe) if id == str(ADDED[0])]
    require(messages == [ADDED[1]], f"with id {ADDED[0]}: {', '.join(messages) or 'no row'}")


def _rows_are_sorted(probe: Probe) -> None:
    messages = [html.unescape(message) for _, message in _cells(probe)]
    for first, second in itertools.pairwise(messages):
        require(first <= second, f"{first[:80]!r} before {second[:80]!r}")


def _markup_is_escaped(probe: Probe) -> None:
    page = _page(probe)
    at = page.find("<script")
    require(at < 0, page[at : at + 120])
    for id, message in _stored(probe):
        escaped = html.escape(message, quote=False)
        if escaped != message:
            require(escaped in page, f"no row {id} that reads {escaped}")


def _text_is_utf8(probe: Probe) -> None:
    page = _page(probe)
    for id, message in _stored(probe):
        if not message.isascii():
            require(message in page, f"row {id} is not as stored: {dict(_cells(probe)).get(str(id), 'absent')}")


def _page_is_exact(probe: Probe) -> None:
    page, expected = _page(probe), expected_page(expected_rows(_stored(probe)))
    if page != expected:
        raise BrokenError(shown(difference(page.encode(), expected.encode())))


REQUESTS = 5
"""Each time after the rows have changed. One of several processes that keep a page may have made it only just now."""


def _rows_are_read_anew(probe: Probe) -> None:
    with probe.database.fortunes_changed() as now:
        _expect_rows(probe, now)
    # And once more, now that whoever had no page before has one.
    _expect_rows(probe, probe.database.fortunes())


def _expect_rows(probe: Probe, stored: list[tuple[int, str]]) -> None:
    for _ in range(REQUESTS):
        answer = probe.get("/fortunes")
        expect_status(answer, 200)
        shown_rows = {id: html.unescape(message) for id, message in ROW.findall(normalised(decoded(answer.body)))}
        for id, message in stored:
            got = shown_rows.get(str(id), "no such row")
            require(got == message, f"id {id}: {got[:60]}, in the table: {message[:60]}")


RULES: tuple[Rule, ...] = (
    Rule(
        endpoint="fortunes",
        name="utf-8",
        expected="GET /fortunes: UTF-8, with the messages' own characters, not references",
        check=_text_is_utf8,
    ),
    Rule(
        endpoint="fortunes",
        name="rows",
        expected="GET /fortunes: every row of the table fortune and the added one, each once",
        check=_all_rows_are_there,
    ),
    Rule(
        endpoint="fortunes",
        name="added",
        expected=f"GET /fortunes: one row with id {ADDED[0]}: {ADDED[1]}",
        check=_one_row_is_added,
    ),
    Rule(
        endpoint="fortunes",
        name="sorted",
        expected="GET /fortunes: rows sorted by message, by code point",
        check=_rows_are_sorted,
    ),
    Rule(
        endpoint="fortunes",
        name="escaped",
        expected="GET /fortunes: & < > in messages written as &amp; &lt; &gt;",
        check=_markup_is_escaped,
    ),
    Rule(
        endpoint="fortunes",
        name="page",
        expected="GET /fortunes: the page of the contract, but for whitespace between tags and how quotes are written",
        check=_page_is_exact,
    ),
    Rule(
        endpoint="fortunes",
        name="stored",
        expected="GET /fortunes: every message as it is in the table fortune, after another connection has changed them",
        check=_rows_are_read_anew,
    ),
)
