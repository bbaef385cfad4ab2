"""Query parameters as clients get them wrong, and the rules for the two ways in which endpoints take that."""

from collections.abc import Callable
from functools import partial

from bench.verify.judge import expect_reason
from bench.verify.rule import Probe, Rule, require

NOT_INTEGERS = (
    "",
    "foo",
    "1.5",
    "1e3",
    "0x10",
    "1_0",
    "%2B5",  # a plus sign
    "%205",  # a blank in front
    "5%20",
    "%D9%A5",  # 5 in Arabic-Indic digits, which int() takes
    "%C2%B2",  # a superscript 2, a digit to isdigit() but not to int()
    "%FF",  # not UTF-8
)
"""Percent-encoded values that are no integer: `-?[0-9]+`, in ASCII."""

HUGE = ("9" * 20, "9" * 400)
"""Beyond 64 bits, and beyond what a float can hold; short enough for any server's limit on a request line."""


def lenient_rules(
    endpoint: str,
    parameter: str,
    counts: Callable[[Probe, str], int],
    others: tuple[tuple[str, int], ...] = (),
    high: tuple[str, ...] = ("500", "501", *HUGE),
) -> tuple[Rule, ...]:
    """One rule for each value: `counts` asks a target and returns how many rows it got, having judged them.

    `high` are the values that ask for 500 rows: fewer of them where so many rows take long.
    """
    cases: list[tuple[str, int]] = [("", 1), ("?other=7", 1)]
    cases += [(f"?{parameter}={value}", 1) for value in (*NOT_INTEGERS, "0", "-1", "-" + HUGE[0], "1")]
    cases += [(f"?{parameter}={value}", 500) for value in high]
    cases += [(f"?other=7&{parameter}=20", 20), *others]
    return tuple(
        Rule(
            endpoint=endpoint,
            name="lenient",
            expected=f"GET /{endpoint}{_brief(query)}: a list of {count}",
            check=partial(_counts, f"/{endpoint}{query}", count, counts),
        )
        for query, count in cases
    )


def _counts(target: str, count: int, counts: Callable[[Probe, str], int], probe: Probe) -> None:
    got = counts(probe, target)
    require(got == count, f"a list of {got}")


def strict_rules(endpoint: str, parameter: str, highest: int) -> tuple[Rule, ...]:
    """One rule for each value that must be refused with a reason."""
    queries = ["", "?other=7"]
    queries += [f"?{parameter}={value}" for value in (*NOT_INTEGERS, "-1", str(highest + 1), *HUGE, "-" + HUGE[0])]
    return tuple(
        Rule(
            endpoint=endpoint,
            name="400",
            expected=f'GET /{endpoint}{_brief(query)}: 400, application/json, {{"error":"{parameter}: <reason>"}}',
            check=partial(_refused, f"/{endpoint}{query}", parameter),
        )
        for query in queries
    )


def _refused(target: str, parameter: str, probe: Probe) -> None:
    expect_reason(probe.get(target), parameter)


def _brief(query: str) -> str:
    return query if len(query) <= 48 else f"{query[:24]}... ({len(query)} characters)"
