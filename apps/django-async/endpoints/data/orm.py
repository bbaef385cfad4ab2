"""The rows through the asynchronous methods of Django's ORM, each of which runs in the request's thread."""

from collections.abc import Iterable, Sequence

from asgiref.sync import sync_to_async
from django.db import connection, transaction

from endpoints.models import Fortune, Item, World
from endpoints.rows import FortuneRow, ItemRow, WorldRow, other_number

DESCRIPTION = "Django async ORM on psycopg 3"


async def world(row_id: int) -> WorldRow:
    return _row(await World.objects.aget(pk=row_id))


async def worlds(row_ids: Iterable[int]) -> list[WorldRow]:
    """The rows in the order given, each by a statement of its own."""
    return [await world(row_id) for row_id in row_ids]


async def all_worlds() -> list[WorldRow]:
    return [_row(row) async for row in World.objects.all()]


async def fortunes() -> list[FortuneRow]:
    return [FortuneRow(row.id, row.message) async for row in Fortune.objects.all()]


@sync_to_async
def renumber(row_ids: Sequence[int]) -> list[WorldRow]:
    """Give the rows new numbers and return them as written. `row_ids` must ascend.

    Transactions have no asynchronous form; Django's documentation says to put one into a function and call it so.
    The rows are locked as they are read, in that order: bulk_update is one statement, and in which order
    that reaches its rows is the planner's choice, so without the locks two requests could deadlock.
    """
    with transaction.atomic():
        rows = [World.objects.select_for_update().get(pk=row_id) for row_id in row_ids]
        for row in rows:
            row.random_number = other_number(row.random_number)
        World.objects.bulk_update(rows, ["random_number"])
    return [_row(row) for row in rows]


async def items(after: int, limit: int) -> list[ItemRow]:
    """The first `limit` items with ids above `after`, by id."""
    return [_item(row) async for row in Item.objects.filter(pk__gt=after).order_by("pk")[:limit]]


async def item(item_id: int) -> ItemRow | None:
    row = await Item.objects.filter(pk=item_id).afirst()
    return row and _item(row)


async def create_item(name: str, quantity: int) -> ItemRow:
    return _item(await Item.objects.acreate(name=name, quantity=quantity))


async def replace_item(row: ItemRow) -> bool:
    """False where there is no such item; so for the next."""
    return await Item.objects.filter(pk=row.id).aupdate(name=row.name, quantity=row.quantity) == 1


async def delete_item(item_id: int) -> bool:
    deleted, _ = await Item.objects.filter(pk=item_id).adelete()
    return deleted == 1


@sync_to_async
def sleep(ms: int) -> None:
    """Cursors have no asynchronous form either."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s / 1000.0)", [ms])


def _item(row: Item) -> ItemRow:
    return ItemRow(row.id, row.name, row.quantity)


def _row(row: World) -> WorldRow:
    return WorldRow(row.id, row.random_number)
