"""The database endpoints' data, by psycopg 3 in the threads of adbapi: Twisted's own way to any DB-API driver."""

import random

from psycopg import Connection, Cursor
from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred, DeferredLock, succeed

WORLDS = 10_000

SELECT_WORLD = "SELECT id, randomnumber FROM world WHERE id = %s"

type World = dict[str, int]
type Item = dict[str, int | str]


class Database:
    """Each method returns a Deferred. What needs several statements runs as a whole in one thread, on its own connection.

    adbapi keeps a connection for each of its threads, opened on the thread's first use; the threads come as they are needed.
    """

    def __init__(self, url: str, pool_max: int) -> None:
        self._pool = ConnectionPool("psycopg", url, cp_min=0, cp_max=pool_max, cp_reconnect=True, autocommit=True)
        self._cache: dict[int, World] = {}
        self._cache_lock = DeferredLock()

    def _run(self, function, *args) -> Deferred:
        # Not runInteraction: its cursor and its transaction would be for single statements too.
        return self._pool.runWithConnection(function, *args)

    def world(self) -> Deferred[World]:
        return self.worlds(1).addCallback(lambda worlds: worlds[0])

    def worlds(self, count: int) -> Deferred[list[World]]:
        """`count` rows by random ids, which may repeat; each is read by a statement of its own."""
        return self._run(read_worlds, [random.randint(1, WORLDS) for _ in range(count)])

    def fortunes(self) -> Deferred[list[tuple[int, str]]]:
        return self._run(read_fortunes)

    def update_worlds(self, count: int) -> Deferred[list[World]]:
        """Gives `count` distinct rows a new random number each and returns them as written.

        Ids ascend, so that of two requests that meet, one waits for the other, and neither for both.
        """
        return self._run(update_worlds, sorted(random.sample(range(1, WORLDS + 1), count)))

    def cached_worlds(self, count: int) -> Deferred[list[World]]:
        """`count` rows by random ids, which may repeat, from memory; the first call reads the table."""
        filled = succeed(None) if self._cache else self._cache_lock.run(self._fill_cache)
        ids = random.choices(range(1, WORLDS + 1), k=count)
        return filled.addCallback(lambda _: [self._cache[id_] for id_ in ids])

    def _fill_cache(self) -> Deferred[None]:
        if self._cache:  # by whoever held the lock before
            return succeed(None)
        return self._run(read_all_worlds).addCallback(self._cache.update)

    def items(self, after: int, limit: int) -> Deferred[list[Item]]:
        """The first `limit` items with ids above `after`, by id."""
        return self._run(read_items, after, limit)

    def item(self, id_: int) -> Deferred[Item | None]:
        return self._run(read_item, id_)

    def create_item(self, name: str, quantity: int) -> Deferred[Item]:
        return self._run(create_item, name, quantity)

    def replace_item(self, id_: int, name: str, quantity: int) -> Deferred[Item | None]:
        """The item as it is now; None where there is no such item."""
        return self._run(replace_item, id_, name, quantity)

    def delete_item(self, id_: int) -> Deferred[bool]:
        """False where there is no such item."""
        return self._run(delete_item, id_)

    def sleep(self, ms: int) -> Deferred[None]:
        return self._run(sleep, ms)


# All below runs in adbapi's threads.


def read_worlds(connection: Connection, ids: list[int]) -> list[World]:
    with connection.cursor() as cursor:
        return [read_world(cursor, id_) for id_ in ids]


def read_world(cursor: Cursor, id_: int) -> World:
    # One cursor reads all rows of a request: a new one for each would get ready for the same statement and types again.
    cursor.execute(SELECT_WORLD, (id_,))
    return as_world(cursor.fetchone())


def read_all_worlds(connection: Connection) -> dict[int, World]:
    rows = connection.execute("SELECT id, randomnumber FROM world").fetchall()
    return {row[0]: as_world(row) for row in rows}


def read_fortunes(connection: Connection) -> list[tuple[int, str]]:
    return connection.execute("SELECT id, message FROM fortune").fetchall()


def update_worlds(connection: Connection, ids: list[int]) -> list[World]:
    with connection.cursor() as cursor:
        worlds = [read_world(cursor, id_) for id_ in ids]
        for world in worlds:
            world["randomNumber"] = other_number(world["randomNumber"])
        with connection.transaction():
            cursor.executemany(
                "UPDATE world SET randomnumber = %s WHERE id = %s",
                [(world["randomNumber"], world["id"]) for world in worlds],
            )
    return worlds


def read_items(connection: Connection, after: int, limit: int) -> list[Item]:
    statement = "SELECT id, name, quantity FROM item WHERE id > %s ORDER BY id LIMIT %s"
    return [as_item(row) for row in connection.execute(statement, (after, limit)).fetchall()]


def read_item(connection: Connection, id_: int) -> Item | None:
    row = connection.execute("SELECT id, name, quantity FROM item WHERE id = %s", (id_,)).fetchone()
    return as_item(row) if row else None


def create_item(connection: Connection, name: str, quantity: int) -> Item:
    statement = "INSERT INTO item (name, quantity) VALUES (%s, %s) RETURNING id"
    (id_,) = connection.execute(statement, (name, quantity)).fetchone()
    return as_item((id_, name, quantity))


def replace_item(connection: Connection, id_: int, name: str, quantity: int) -> Item | None:
    statement = "UPDATE item SET name = %s, quantity = %s WHERE id = %s"
    cursor = connection.execute(statement, (name, quantity, id_))
    return as_item((id_, name, quantity)) if cursor.rowcount == 1 else None


def delete_item(connection: Connection, id_: int) -> bool:
    return connection.execute("DELETE FROM item WHERE id = %s", (id_,)).rowcount == 1


def sleep(connection: Connection, ms: int) -> None:
    connection.execute("SELECT pg_sleep(%s / 1000.0)", (ms,))


def as_world(row: tuple[int, int]) -> World:
    return {"id": row[0], "randomNumber": row[1]}


def as_item(row: tuple[int, str, int]) -> Item:
    return {"id": row[0], "name": row[1], "quantity": row[2]}


def other_number(number: int) -> int:
    """A random number from 1 to 10000 that differs from `number`."""
    other = random.randint(1, WORLDS - 1)
    return other + (other >= number)
