"""The database endpoints' data, by psycopg 3 and its asynchronous pool."""

import asyncio
import random

from psycopg_pool import AsyncConnectionPool

WORLDS = 10_000
DAY_S = 24 * 60 * 60
# A request waits this long for a connection: more than the longest /io-db that may hold the last one.
POOL_WAIT_S = 120.0
CLOSE_S = 0.2

SELECT_WORLD = "SELECT id, randomnumber FROM world WHERE id = %s"

type World = dict[str, int]
type Item = dict[str, int | str]


class Database:
    """A pool that the first request in need of it opens, in the loop that serves, and that is kept open."""

    def __init__(self, url: str, pool_max: int) -> None:
        self._pool = AsyncConnectionPool(
            url,
            min_size=0,
            max_size=pool_max,
            open=False,
            timeout=POOL_WAIT_S,
            max_idle=DAY_S,
            max_lifetime=DAY_S,
            kwargs={"autocommit": True},
        )
        self._cache: dict[int, World] = {}
        self._cache_lock = asyncio.Lock()

    async def close(self) -> None:
        await self._pool.close(timeout=CLOSE_S)

    async def _opened_pool(self) -> AsyncConnectionPool:
        if self._pool.closed:
            await self._pool.open()
        return self._pool

    async def world(self) -> World:
        (world,) = await self.worlds(1)
        return world

    async def worlds(self, count: int) -> list[World]:
        """`count` rows by random ids, which may repeat; each is read by a statement of its own."""
        pool = await self._opened_pool()
        async with pool.connection() as connection, connection.cursor() as cursor:
            return [await read_world(cursor, random.randint(1, WORLDS)) for _ in range(count)]

    async def fortunes(self) -> list[tuple[int, str]]:
        pool = await self._opened_pool()
        async with pool.connection() as connection:
            cursor = await connection.execute("SELECT id, message FROM fortune")
            return await cursor.fetchall()

    async def update_worlds(self, count: int) -> list[World]:
        """Gives `count` distinct rows a new random number each and returns them as written.

        Ids ascend, so that of two requests that meet, one waits for the other, and neither for both.
        """
        ids = sorted(random.sample(range(1, WORLDS + 1), count))
        pool = await self._opened_pool()
        async with pool.connection() as connection, connection.cursor() as cursor:
            worlds = [await read_world(cursor, id_) for id_ in ids]
            for world in worlds:
                world["randomNumber"] = other_number(world["randomNumber"])
            async with connection.transaction():
                await cursor.executemany(
                    "UPDATE world SET randomnumber = %s WHERE id = %s",
                    [(world["randomNumber"], world["id"]) for world in worlds],
                )
        return worlds

    async def cached_worlds(self, count: int) -> list[World]:
        """`count` rows by random ids, which may repeat, from memory; the first call reads the table."""
        if not self._cache:
            await self._fill_cache()
        return [self._cache[id_] for id_ in random.choices(range(1, WORLDS + 1), k=count)]

    async def _fill_cache(self) -> None:
        async with self._cache_lock:
            if self._cache:
                return
            pool = await self._opened_pool()
            async with pool.connection() as connection:
                cursor = await connection.execute("SELECT id, randomnumber FROM world")
                self._cache = {row[0]: as_world(row) for row in await cursor.fetchall()}

    async def items(self, after: int, limit: int) -> list[Item]:
        """The first `limit` items with ids above `after`, by id."""
        pool = await self._opened_pool()
        async with pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT id, name, quantity FROM item WHERE id > %s ORDER BY id LIMIT %s", (after, limit)
            )
            return [as_item(row) for row in await cursor.fetchall()]

    async def item(self, id_: int) -> Item | None:
        pool = await self._opened_pool()
        async with pool.connection() as connection:
            cursor = await connection.execute("SELECT id, name, quantity FROM item WHERE id = %s", (id_,))
            row = await cursor.fetchone()
            return as_item(row) if row else None

    async def create_item(self, name: str, quantity: int) -> Item:
        pool = await self._opened_pool()
        async with pool.connection() as connection:
            cursor = await connection.execute(
                "INSERT INTO item (name, quantity) VALUES (%s, %s) RETURNING id", (name, quantity)
            )
            (id_,) = await cursor.fetchone()
            return as_item((id_, name, quantity))

    async def replace_item(self, id_: int, name: str, quantity: int) -> Item | None:
        """The item as it is now; None where there is no such item."""
        pool = await self._opened_pool()
        async with pool.connection() as connection:
            cursor = await connection.execute(
                "UPDATE item SET name = %s, quantity = %s WHERE id = %s", (name, quantity, id_)
            )
            return as_item((id_, name, quantity)) if cursor.rowcount == 1 else None

    async def delete_item(self, id_: int) -> bool:
        """False where there is no such item."""
        pool = await self._opened_pool()
        async with pool.connection() as connection:
            cursor = await connection.execute("DELETE FROM item WHERE id = %s", (id_,))
            return cursor.rowcount == 1

    async def sleep(self, ms: int) -> None:
        pool = await self._opened_pool()
        async with pool.connection() as connection:
            await connection.execute("SELECT pg_sleep(%s / 1000.0)", (ms,))


async def read_world(cursor, id_: int) -> World:
    # One cursor reads all rows of a request: a new one for each would get ready for the same statement and types again.
    await cursor.execute(SELECT_WORLD, (id_,))
    return as_world(await cursor.fetchone())


def as_world(row: tuple[int, int]) -> World:
    return {"id": row[0], "randomNumber": row[1]}


def as_item(row: tuple[int, str, int]) -> Item:
    return {"id": row[0], "name": row[1], "quantity": row[2]}


def other_number(number: int) -> int:
    """A random number from 1 to 10000 that differs from `number`."""
    other = random.randint(1, WORLDS - 1)
    return other + (other >= number)
