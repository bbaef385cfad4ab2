"""PostgreSQL through psycopg 3: one pool per process, opened by the first request that needs it."""

import atexit
import os
import random
import threading
from typing import Any

from psycopg import Connection, Cursor
from psycopg_pool import ConnectionPool

ROWS = 10_000
DAY_S = 86_400.0

Row = tuple[int, int]
"""(id, randomnumber)"""

World = dict[str, int]
"""The same as it is answered."""

Item = tuple[int, str, int]
"""(id, name, quantity)"""

Pool = ConnectionPool[Connection[tuple[Any, ...]]]


class Database:
    """World, Fortune and Item. Nothing is opened before it is needed: connections and threads do not survive a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._cache: dict[int, World] | None = None

    def pool(self) -> Pool:
        if self._pool is None:
            with self._lock:
                if self._pool is None:
                    self._pool = _open_pool()
        return self._pool

    def random_rows(self, count: int) -> list[Row]:
        """Rows by random ids, each read by a statement of its own."""
        with self.pool().connection() as connection, connection.cursor() as cursor:
            return [_row(cursor, random.randint(1, ROWS)) for _ in range(count)]

    def update_rows(self, count: int) -> list[Row]:
        """Give distinct rows another random number; returns them as written, after the commit."""
        ids = sorted(random.sample(range(1, ROWS + 1), count))  # in order, so that two requests cannot deadlock
        with self.pool().connection() as connection, connection.transaction(), connection.cursor() as cursor:
            rows = [_row(cursor, row_id) for row_id in ids]
            written = [(row_id, _another(number)) for row_id, number in rows]
            cursor.executemany(
                "UPDATE world SET randomnumber = %s WHERE id = %s", [(number, row_id) for row_id, number in written]
            )
        return written

    def cached_worlds(self, count: int) -> list[World]:
        """Worlds by random ids from this process's copy, which is read on first use and never again."""
        pool = self.pool()
        if self._cache is None:
            with self._lock:
                if self._cache is None:
                    with pool.connection() as connection:
                        rows = connection.execute("SELECT id, randomnumber FROM world").fetchall()
                    self._cache = {row[0]: as_world(row) for row in rows}
        return [self._cache[row_id] for row_id in random.choices(range(1, ROWS + 1), k=count)]

    def fortunes(self) -> list[tuple[int, str]]:
        with self.pool().connection() as connection:
            return connection.execute("SELECT id, message FROM fortune").fetchall()

    def items(self, after: int, limit: int) -> list[Item]:
        """The first `limit` items with ids above `after`, by id."""
        with self.pool().connection() as connection:
            return connection.execute(
                "SELECT id, name, quantity FROM item WHERE id > %s ORDER BY id LIMIT %s", (after, limit)
            ).fetchall()

    def item(self, item_id: int) -> Item | None:
        with self.pool().connection() as connection:
            return connection.execute("SELECT id, name, quantity FROM item WHERE id = %s", (item_id,)).fetchone()

    def create_item(self, name: str, quantity: int) -> int:
        """Returns the new item's id."""
        with self.pool().connection() as connection:
            return connection.execute(
                "INSERT INTO item (name, quantity) VALUES (%s, %s) RETURNING id", (name, quantity)
            ).fetchone()[0]

    def replace_item(self, item: Item) -> bool:
        """False where there is no such item; so for the next."""
        item_id, name, quantity = item
        with self.pool().connection() as connection:
            statement = "UPDATE item SET name = %s, quantity = %s WHERE id = %s"
            return connection.execute(statement, (name, quantity, item_id)).rowcount == 1

    def delete_item(self, item_id: int) -> bool:
        with self.pool().connection() as connection:
            return connection.execute("DELETE FROM item WHERE id = %s", (item_id,)).rowcount == 1

    def sleep(self, ms: int) -> None:
        with self.pool().connection() as connection:
            connection.execute("SELECT pg_sleep(%s / 1000.0)", (ms,))


def _open_pool() -> Pool:
    pool = ConnectionPool(
        os.environ["DATABASE_URL"],
        min_size=1,
        max_size=int(os.environ.get("DB_POOL_MAX", "4")),
        # Reads need no BEGIN and COMMIT around them; updates open their transaction themselves.
        kwargs={"autocommit": True},
        # What was opened stays open, and a request waits for a connection longer than /io-db can hold one.
        max_idle=DAY_S,
        timeout=120.0,
        open=True,
    )
    atexit.register(pool.close)
    return pool


def as_world(row: Row) -> World:
    return {"id": row[0], "randomNumber": row[1]}


def _row(cursor: Cursor[tuple[Any, ...]], row_id: int) -> Row:
    return cursor.execute("SELECT id, randomnumber FROM world WHERE id = %s", (row_id,)).fetchone()


def _another(number: int) -> int:
    # One draw from the 9,999 others: those from `number` upwards move up by one.
    drawn = random.randint(1, ROWS - 1)
    return drawn + 1 if drawn >= number else drawn


database = Database()
