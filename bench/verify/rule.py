"""What a rule is, and what it may use: the seam between the tables of rules and the one that checks them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.verify.report import shown
from bench.verify.wire import Answer, TransportError, Wire

EARLY_ANSWER = "early-answer"
"""In `omits`: it may end a connection instead of giving an answer that came before the request's whole body was read."""


class BrokenError(Exception):
    """A rule does not hold; the message is what was got instead."""


class NotCheckedError(Exception):
    """A rule cannot be checked here; the message is the reason."""


class AnswerLostError(Exception):
    """An answer that came before the whole body was read was lost, as the manifest says that it may be."""


class Tables(Protocol):
    """The application's tables, past the application."""

    def world(self) -> dict[int, int]:
        """All rows: randomnumber by id."""

    def fortunes(self) -> list[tuple[int, str]]:
        """All rows, (id, message)."""

    def items(self) -> dict[int, tuple[str, int]]:
        """All rows: name and quantity by id."""

    def world_changed(self, *, every: int) -> AbstractContextManager[dict[int, int]]:
        """Meanwhile each row of World whose id `every` divides has another number: that, by id. Put back at the end.

        Only for who is `alone`: caches that other verifiers look at must not be filled with it.
        """

    def fortunes_changed(self) -> AbstractContextManager[list[tuple[int, str]]]:
        """Meanwhile each row of Fortune has another message: all rows, (id, message). Put back at the end. Only for who is `alone`."""

    def sleeping(self) -> bool:
        """Whether some connection runs `pg_sleep` at this moment."""

    def alone(self, table: str) -> AbstractContextManager[None]:
        """No other verifier of the same `table`, such as "world", is in such a block at the same time."""


@dataclass(kw_only=True)
class Probe:
    """What rules work with.

    `data`: what /whoami has to name as `data`, where that is known. `written` grows: the last number that /updates reported for
    an id. `answers`: see `once`.
    """

    wire: Wire
    tables: Tables | None = None
    static_dir: Path | None = None
    data: str | None = None
    omits: frozenset[str] = frozenset()
    endpoints: frozenset[str] = frozenset()
    written: dict[int, int] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)

    def get(self, target: str) -> Answer:
        return self.wire.ask("GET", target)

    def once(self, target: str) -> Answer:
        """As `get`, but asked only the first time: for rules that look at one answer from several sides."""
        if target not in self.answers:
            self.answers[target] = self.get(target)
        return self.answers[target]

    def ask_early(
        self, method: str, target: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """As `wire.ask`, where the answer may come before the whole body was read. Raises AnswerLostError where that may be."""
        try:
            answer = self.wire.ask(method, target, body=body, headers=headers)
        except TransportError as fault:
            if fault.closed and EARLY_ANSWER in self.omits:
                self.wire.count(fault=False)
                raise AnswerLostError from fault
            raise
        if answer.status == 502 and EARLY_ANSWER in self.omits:
            raise AnswerLostError
        return answer

    @property
    def database(self) -> Tables:
        if self.tables is None:
            raise NotCheckedError("needs the database: no database_url was given")
        return self.tables

    def alone(self, table: str) -> AbstractContextManager[None]:
        return self.tables.alone(table) if self.tables is not None else nullcontext()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One line of the contract. `check` returns where it holds, and raises BrokenError or NotCheckedError."""

    endpoint: str
    name: str
    expected: str
    check: Callable[[Probe], None]


@contextmanager
def within(what: str) -> Iterator[None]:
    """Put `what` (a request, mostly) in front of what was got."""
    try:
        yield
    except BrokenError as error:
        raise BrokenError(f"{what}: {error}") from error


def require(holds: bool, got: object) -> None:
    """Raise BrokenError with `got`, shortened, unless `holds`."""
    if not holds:
        raise BrokenError(shown(got))
