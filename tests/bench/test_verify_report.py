"""The report as text, and what a value looks like in it."""

import pytest

from bench.verify import Check, Failure, Report, Skip, render_text
from bench.verify.report import shown


def report(*checks: Check, skipped: tuple[Skip, ...] = ()) -> Report:
    return Report(target="http://127.0.0.1:8001", checks=checks, skipped=skipped)


HOLDS = Check(endpoint="json", rule="body", expected="GET /json: the body")
FAILS = Check(endpoint="queries", rule="lenient", expected="GET /queries?queries=foo: a list of 1", got="a list of 20")


def test_a_report_that_holds():
    text = render_text(report(HOLDS, HOLDS))
    assert text == "passed: 2 rules of the contract hold at http://127.0.0.1:8001\n"


def test_a_failure_shows_endpoint_rule_expected_and_got():
    found = report(HOLDS, FAILS)
    assert found.failures == (
        Failure(
            endpoint="queries", rule="lenient", expected="GET /queries?queries=foo: a list of 1", got="a list of 20"
        ),
    )
    assert render_text(found) == (
        "FAILED: 1 of 2 rules of the contract broken at http://127.0.0.1:8001\n"
        "\n"
        "queries.lenient\n"
        "  expected  GET /queries?queries=foo: a list of 1\n"
        "  got       a list of 20\n"
    )


def test_what_was_not_checked_is_said_with_its_reason():
    text = render_text(report(HOLDS, skipped=(Skip(endpoint="updates", rule="written", reason="needs the database"),)))
    assert text.endswith("\n\nnot checked\n  updates.written: needs the database\n")


def test_nothing_checked_has_not_passed():
    assert not report().passed
    assert render_text(report()) == "nothing was checked at http://127.0.0.1:8001\n"


@pytest.mark.parametrize("got", ["x" * 200, "a b " * 50, "フ" * 200, "http://" + "y" * 300, "-" * 200, ""])
def test_it_keeps_to_80_columns(got):
    wide = Check(endpoint="cached-queries", rule="lenient", expected="e" * 190, got=shown(got))
    skip = Skip(endpoint="static", rule="content", reason="r" * 190)
    text = render_text(report(wide, skipped=(skip,)))
    assert max(map(len, text.splitlines())) <= 80
    assert all(line.isprintable() and line.isascii() for line in text.splitlines())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (b"bytes", "bytes"),
        (b"\x00\xff\n", r"\x00\xff\n"),
        ("a\u0301", r"a\u0301"),
        ("フ — é", r"\u30d5 — é"),
        (12, "12"),
        (None, "None"),
        ("\x1b[31mred", r"\x1b[31mred"),
    ],
)
def test_values_are_shown_printable_in_one_line(value, text):
    assert shown(value) == text


@pytest.mark.parametrize("value", ["x" * 201, b"x" * 3_000_000, "\0" * 100, "フ" * 10_000, b"\xe3\x83" * 500])
def test_long_values_are_shortened(value):
    assert len(shown(value)) <= 200
    assert shown(value).endswith("...")
