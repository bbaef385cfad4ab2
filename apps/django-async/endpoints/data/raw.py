"""The rows through psycopg's own asynchronous pool, past Django: no query needs a thread."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from django.conf import settings
from project.database import DAY_S, POOL_WAIT_S
from psycopg import AsyncConnection, AsyncCursor
from psycopg_pool import AsyncConnectionPool

from endpoints.rows import FortuneRow, ItemRow, WorldRow, other_number

DESCRIPTION = "psycopg 3"

_SELECT_WORLD = "SELECT id, randomnumber FROM world WHERE id = %s"
_UPDATE_WORLD = "UPDATE world SET randomnumber = %s WHERE id = %s"

type Connection = AsyncConnection[tuple[Any, ...]]

_pools: list[AsyncConnectionPool[Connection]] = []


@asynccontextmanager
async def connected() -> AsyncIterator[Connection]:
    """A connection of the pool, which the first request in need of one makes and opens: it belongs to an event loop."""
    if not _pools:
        _pools.append(
            AsyncConnectionPool(
                settings.DATABASE_URL,
                min_size=0,
                max_size=settings.DB_POOL_MAX,
                open=False,
                timeout=POOL_WAIT_S,
                max_idle=DAY_S,
                max_lifetime=DAY_S,
                kwargs={"autocommit": True},
            )
        )
    [pool] = _pools
    if pool.closed:
        await pool.open()
    async with pool.connection() as connection:
        yield connection


async def world(row_id: int) -> WorldRow:
    [row] = await worlds([row_id])
    return row


async def worlds(row_ids: Iterable[int]) -> list[WorldRow]:
    """The rows in the order given, each by a statement of its own."""
    async with connected() as connection, connection.cursor() as cursor:
        return [await _world(cursor, row_id) for row_id in row_ids]


async def all_worlds() -> list[WorldRow]:
    async with connected() as connection:
        cursor = await connection.execute("SELECT id, randomnumber FROM world")
        return [WorldRow._make(row) for row in await cursor.fetchall()]


async def fortunes() -> list[FortuneRow]:
    async with connected() as connection:
        cursor = await connection.execute("SELECT id, message FROM fortune")
        return [FortuneRow._make(row) for row in await cursor.fetchall()]


async def renumber(row_ids: Sequence[int]) -> list[WorldRow]:
    """Give the rows new numbers and return them as written. `row_ids` must ascend."""
    async with connected() as connection, connection.transaction(), connection.cursor() as cursor:
        old = [await _world(cursor, row_id) for row_id in row_ids]
        rows = [WorldRow(row.id, other_number(row.number)) for row in old]
        await cursor.executemany(_UPDATE_WORLD, [(row.number, row.id) for row in rows])
    return rows


async def items(after: int, limit: int) -> list[ItemRow]:
    """The first `limit` items with ids above `after`, by id."""
    async with connected() as connection:
        statement = "SELECT id, name, quantity FROM item WHERE id > %s ORDER BY id LIMIT %s"
        cursor = await connection.execute(statement, (after, limit))
        return [ItemRow._make(row) for row in await cursor.fetchall()]


async def item(item_id: int) -> ItemRow | None:
    async with connected() as connection:
        cursor = await connection.execute("SELECT id, name, quantity FROM item WHERE id = %s", (item_id,))
        row = await cursor.fetchone()
    return row and ItemRow._make(row)


async def create_item(name: str, quantity: int) -> ItemRow:
    async with connected() as connection:
        statement = "INSERT INTO item (name, quantity) VALUES (%s, %s) RETURNING id"
        cursor = await connection.execute(statement, (name, quantity))
        [item_id] = await cursor.fetchone()
    return ItemRow(item_id, name, quantity)


async def replace_item(row: ItemRow) -> bool:
    """False where there is no such item; so for the next."""
    async with connected() as connection:
        statement = "UPDATE item SET name = %s, quantity = %s WHERE id = %s"
        cursor = await connection.execute(statement, (row.name, row.quantity, row.id))
        return cursor.rowcount == 1


async def delete_item(item_id: int) -> bool:
    async with connected() as connection:
        cursor = await connection.execute("DELETE FROM item WHERE id = %s", (item_id,))
        return cursor.rowcount == 1


async def sleep(ms: int) -> None:
    async with connected() as connection:
        await connection.execute("SELECT pg_sleep(%s / 1000.0)", (ms,))


async def _world(cursor: AsyncCursor[tuple[Any, ...]], row_id: int) -> WorldRow:
    # One cursor reads all rows of a request: a new one for each would get ready for the same statement and types again.
    await cursor.execute(_SELECT_WORLD, (row_id,))
    return WorldRow._make(await cursor.fetchone())
