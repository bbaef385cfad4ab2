"""The application's tables past the application: read, to see whether what it says is so, and changed for a moment."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bench.model import BenchError

LOCK_KEY = 0x666C
"""First key of the advisory locks by which verifiers take turns; the second is that of a table of one schema."""

APPLICATION_NAME = "forkloop bench"
"""Marks our connections, so that they are not counted as an application's."""

LOCK_TIMEOUT_S = 2
"""How long a change of ours waits for a transaction that an application left open: other verifiers wait behind us."""

_TURN = "UPDATE world SET randomnumber = mod(randomnumber + %s - 1, 10000) + 1 WHERE mod(id, %s) = 0"
"""The numbers, 1 to 10000, go around: on by 1, and by another 9999 back to where they were."""

_REVERSE = "UPDATE fortune SET message = reverse(message)"


class PostgresTables:
    """World, Fortune and Item through one connection of our own, in autocommit mode."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self._connection = connection

    def world(self) -> dict[int, int]:
        rows = self._connection.execute("SELECT id, randomnumber FROM world").fetchall()
        return {_integer(row[0]): _integer(row[1]) for row in rows}

    def fortunes(self) -> list[tuple[int, str]]:
        rows = self._connection.execute("SELECT id, message FROM fortune").fetchall()
        return [(_integer(row[0]), str(row[1])) for row in rows]

    def items(self) -> dict[int, tuple[str, int]]:
        rows = self._connection.execute("SELECT id, name, quantity FROM item").fetchall()
        return {_integer(row[0]): (str(row[1]), _integer(row[2])) for row in rows}

    @contextmanager
    def world_changed(self, *, every: int) -> Iterator[dict[int, int]]:
        changed = self._change(f"{_TURN} RETURNING id, randomnumber", (1, every))
        try:
            yield {_integer(row[0]): _integer(row[1]) for row in changed}
        finally:
            self._change(_TURN, (9999, every))

    @contextmanager
    def fortunes_changed(self) -> Iterator[list[tuple[int, str]]]:
        changed = self._change(f"{_REVERSE} RETURNING id, message")
        try:
            yield [(_integer(row[0]), str(row[1])) for row in changed]
        finally:
            self._change(_REVERSE)

    def _change(self, statement: str, values: tuple[int, ...] = ()) -> list[tuple[object, ...]]:
        with self._connection.transaction():
            self._connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
            cursor = self._connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def sleeping(self) -> bool:
        row = self._connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE state = 'active' AND query ILIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
        ).fetchone()
        return row is not None and _integer(row[0]) > 0

    @contextmanager
    def alone(self, table: str) -> Iterator[None]:
        """Stacks that share a database may be verified side by side: their updates must not disturb a comparison."""
        self._connection.execute("SELECT pg_advisory_lock(%s, hashtext(current_schema() || %s))", (LOCK_KEY, table))
        try:
            yield
        finally:
            self._connection.execute(
                "SELECT pg_advisory_unlock(%s, hashtext(current_schema() || %s))", (LOCK_KEY, table)
            )


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise psycopg.DataError(f"{value!r} where a whole number was expected")
    return value


@contextmanager
def opened(url: str, *, timeout_s: float) -> Iterator[PostgresTables]:
    """The tables that `url` leads to, as it does for the application.

    No statement runs longer than three times `timeout_s`. Raises BenchError where there are no such tables to read.
    """
    try:
        connection: psycopg.Connection[tuple[object, ...]] = psycopg.connect(
            url, autocommit=True, application_name=APPLICATION_NAME, connect_timeout=max(2, round(timeout_s))
        )
    except psycopg.Error as error:
        raise BenchError(_unreadable(error, "is it up, and is database_url right?")) from error
    with connection:
        try:
            connection.execute("SELECT set_config('statement_timeout', %s, false)", (f"{round(3000 * timeout_s)}ms",))
            connection.execute("SELECT id, randomnumber FROM world LIMIT 1")
            connection.execute("SELECT id, message FROM fortune LIMIT 1")
        except psycopg.Error as error:
            raise BenchError(_unreadable(error, "give the application's own DATABASE_URL")) from error
        yield PostgresTables(connection)


def _unreadable(error: psycopg.Error, remedy: str) -> str:
    # The first line only, and never the URL: it may hold a password.
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"verify cannot read the tables world and fortune: {reason}; {remedy}"
