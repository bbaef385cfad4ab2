"""Scenario files are found, read strictly, and say what the contract says."""

import tomllib
from pathlib import Path

import pytest

from loadtests import scenario
from loadtests.checks import KINDS, Computed, Fortunes, Pattern, Worlds
from loadtests.errors import LoadError

ALL = scenario.names()


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


GOOD = """
title = "Mine"
description = "A test."
path = "/mine?n={n}"
needs = ["mine"]
order = 1
[parameters]
n = 3
[check]
kind = "exact"
text = "n={n}"
"""


def test_the_contract_is_covered() -> None:
    assert {"plaintext", "json", "db", "queries", "fortunes", "updates", "cached-queries"} <= set(ALL)
    assert {"io", "io-db", "cpu", "upload", "blob", "static-1kb", "static-100kb", "static-10mb"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_every_scenario_resolves(name: str) -> None:
    request = scenario.resolve(name)
    assert request.encode("h").startswith(f"{request.method} /".encode())
    assert b"\r\nHost: h\r\n" in request.encode("h")
    assert request.encode("h").endswith(b"\r\n\r\n" + request.body)
    assert "{" not in request.path


def test_what_writes_comes_last() -> None:
    orders = {name: scenario.read(name).order for name in ALL}
    assert len(set(orders.values())) == len(orders)
    assert max(orders, key=lambda name: orders[name]) == "updates"


def test_files_are_plain_data() -> None:
    """The orchestrator lists scenarios without importing this package."""
    for path in scenario.FOLDER.glob("*.toml"):
        table = tomllib.loads(path.read_text())
        assert {"title", "description", "path", "needs", "order", "check"} <= set(table), path


def test_parameters_are_filled_in_and_overridden(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert scenario.resolve("mine", folder=tmp_path).path == "/mine?n=3"
    assert scenario.resolve("mine", {"n": 5}, folder=tmp_path).check.problem(b"n=5") is None
    assert scenario.resolve("mine", {"n": 5}, folder=tmp_path).check.problem(b"n=3")


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ('title = "Mine"', 'titel = "Mine"', ["mine.toml", "'titel'", "'title'"]),
        ('title = "Mine"', "", ["mine.toml", "missing key 'title'"]),
        ("order = 1", 'order = "first"', ["mine.toml: order", "a whole number"]),
        ("order = 1", "order = true", ["mine.toml: order", "a whole number"]),
        ('needs = ["mine"]', 'needs = "mine"', ["mine.toml: needs", "a list"]),
        ('kind = "exact"', 'kind = "exakt"', ["mine.toml: check.kind", "'exact'"]),
        ('text = "n={n}"', 'tekst = "{n}"', ["mine.toml: check", "'tekst'", "'text'"]),
        ('text = "n={n}"', 'text = "n={m}"', ["mine.toml: check.text", "unknown parameter 'm'; known: n"]),
        ('text = "n={n}"', 'text = "a"\nevery = 0', ["check.every", "1 or more"]),
        ("order = 1", 'order = 1\nmethod = "HEAD"', ["mine.toml: method", "'HEAD'"]),
        ("order = 1", 'order = 1\nbody_bytes = "x"', ["mine.toml: body_bytes", "a whole number"]),
        ("[check]", "[check", ["mine.toml"]),
    ],
)
def test_mistakes_name_file_key_and_the_nearest(old: str, new: str, parts: list[str], tmp_path: Path) -> None:
    assert old in GOOD
    write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(LoadError) as caught:
        scenario.resolve("mine", folder=tmp_path)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_unknown_scenarios_and_parameters_get_a_suggestion() -> None:
    with pytest.raises(LoadError, match="'plaintext'"):
        scenario.resolve("plantext")
    with pytest.raises(LoadError, match="did you mean 'queries'"):
        scenario.resolve("queries", {"querys": 3})


ROW = b'{"id":1,"randomNumber":2}'


@pytest.mark.parametrize(
    ("check", "body", "right"),
    [
        (Worlds(), ROW, True),
        (Worlds(), b"[" + ROW + b"]", False),
        (Worlds(count=1), b"[" + ROW + b"]", True),
        (Worlds(count=1), ROW, False),
        (Worlds(count=2), b"[" + ROW + b"]", False),
        (Worlds(count=2), b"[" + ROW + b"," + ROW + b"]", True),
        (Worlds(count=2, distinct=True), b"[" + ROW + b"," + ROW + b"]", False),
        (Worlds(), b'{"id":10001,"randomNumber":2}', False),
        (Worlds(), b'{"id":1,"randomNumber":0}', False),
        (Worlds(), b'{"id":1,"randomNumber":"2"}', False),
        (Worlds(), b'{"id":1}', False),
        (Worlds(), b'{"id":1', False),
        (Computed(n=1000), b'{"n":1000,"result":1219259225}', True),
        (Computed(n=1000), b'{"n":1000,"result":1219259226}', False),
        (Pattern(size_bytes=300), bytes(i & 255 for i in range(300)), True),
        (Pattern(size_bytes=300), bytes(300), False),
    ],
)
def test_checks(check: object, body: bytes, right: bool) -> None:
    assert (check.problem(body) is None) is right  # type: ignore[attr-defined]


def page(messages: list[tuple[int, str]]) -> bytes:
    rows = "".join(f"<tr><td>{number}</td><td>{message}</td></tr>" for number, message in messages)
    return f"<!doctype html><html><body><table>{rows}</table></body></html>".encode()


FORTUNES = [(11, "&lt;script&gt;alert();&lt;/script&gt;"), (0, "Additional fortune added at request time.")] + [
    (number, f"Message {number:02}") for number in range(1, 12)
]


@pytest.mark.parametrize(
    ("messages", "right"),
    [
        (FORTUNES, True),
        (FORTUNES[::-1], False),
        (FORTUNES[:-1], False),
        ([(1, "Additional"), *FORTUNES[2:], (12, "Z")], False),
        ([(11, "<script>"), *FORTUNES[1:]], False),
    ],
)
def test_fortunes(messages: list[tuple[int, str]], right: bool) -> None:
    assert (Fortunes().problem(page(messages)) is None) is right
    assert Fortunes().problem(b"\xff")


def test_every_kind_is_used_by_a_scenario() -> None:
    used = {scenario.read(name).check["kind"] for name in ALL}
    assert used == set(KINDS)
