"""What a verification found, as values and as text."""

import textwrap
import unicodedata
from dataclasses import dataclass

SHOWN_CHARACTERS = 200
COLUMNS = 80


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A rule that does not hold. All four are one printable line, `got` of at most `SHOWN_CHARACTERS` characters."""

    endpoint: str
    rule: str
    expected: str
    got: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """One rule, checked. `got` is None where the rule holds."""

    endpoint: str
    rule: str
    expected: str
    got: str | None = None

    @property
    def passed(self) -> bool:
        return self.got is None


@dataclass(frozen=True, kw_only=True)
class Skip:
    """A rule that could not be checked, and why."""

    endpoint: str
    rule: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """`target` is the URL that was asked; `checks` and `skipped` are in the order of checking."""

    target: str
    checks: tuple[Check, ...]
    skipped: tuple[Skip, ...]

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(
            Failure(endpoint=check.endpoint, rule=check.rule, expected=check.expected, got=check.got)
            for check in self.checks
            if check.got is not None
        )

    @property
    def passed(self) -> bool:
        return bool(self.checks) and not self.failures


def shown(value: object, *, limit: int = SHOWN_CHARACTERS) -> str:
    """`value` as one printable line of at most `limit` characters.

    Bytes are read as UTF-8. What a terminal does not show in one column is escaped: control, combining, wide characters.
    """
    # A character takes at most four bytes, and escaping never shortens: what is beyond cannot show.
    text = value[: 4 * limit + 4].decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    line = "".join(character if _narrow(character) else _escaped(character) for character in text[: limit + 1])
    return line if len(line) <= limit else line[: limit - 3] + "..."


def _narrow(character: str) -> bool:
    return character == " " or (
        character.isprintable()
        and not unicodedata.combining(character)
        and unicodedata.east_asian_width(character) not in "WF"
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def render_text(report: Report) -> str:
    """The report in 80 columns: the verdict, each failure with what was expected and got, and what was not checked."""
    failures = report.failures
    if failures:
        head = f"FAILED: {len(failures)} of {_rules(len(report.checks))} of the contract broken at {report.target}"
    elif report.checks:
        head = f"passed: {_rules(len(report.checks))} of the contract hold at {report.target}"
    else:
        head = f"nothing was checked at {report.target}"
    blocks = [_wrapped(shown(head), "", "  ")]
    blocks += [_failure(failure) for failure in failures]
    if report.skipped:
        blocks.append("\n".join(["not checked", *(_skip(skip) for skip in report.skipped)]))
    return "\n\n".join(blocks) + "\n"


def _rules(count: int) -> str:
    return f"{count} rule" if count == 1 else f"{count} rules"


def _failure(failure: Failure) -> str:
    lines = [
        _wrapped(f"{failure.endpoint}.{failure.rule}", "", ""),
        _wrapped(failure.expected, "  expected  ", " " * 12),
        _wrapped(failure.got or "(nothing)", "  got       ", " " * 12),
    ]
    return "\n".join(lines)


def _skip(skip: Skip) -> str:
    return _wrapped(f"{skip.endpoint}.{skip.rule}: {skip.reason}", "  ", "    ")


def _wrapped(text: str, first: str, rest: str) -> str:
    return textwrap.fill(
        text,
        width=COLUMNS,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
