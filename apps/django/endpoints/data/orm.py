"""The rows through Django's ORM."""

from collections.abc import Iterable, Sequence

from django.db import transaction

from endpoints.models import Fortune, Item, World
from endpoints.rows import FortuneRow, ItemRow, WorldRow, other_number

DESCRIPTION = "Django ORM on psycopg 3"


def world(row_id: int) -> WorldRow:
    return _row(World.objects.get(pk=row_id))


def worlds(row_ids: Iterable[int]) -> list[WorldRow]:
    """The rows in the order given, each by a statement of its own."""
    return [world(row_id) for row_id in row_ids]


def all_worlds() -> list[WorldRow]:
    return [_row(row) for row in World.objects.all()]


def fortunes() -> list[FortuneRow]:
    return [FortuneRow(row.id, row.message) for row in Fortune.objects.all()]


def renumber(row_ids: Sequence[int]) -> list[WorldRow]:
    """Give the rows new numbers and return them as written. `row_ids` must ascend.

    The rows are locked as they are read, in that order: bulk_update is one statement, and in which order
    that reaches its rows is the planner's choice, so without the locks two requests could deadlock.
    """
    with transaction.atomic():
        rows = [World.objects.select_for_update().get(pk=row_id) for row_id in row_ids]
        for row in rows:
            row.random_number = other_number(row.random_number)
        World.objects.bulk_update(rows, ["random_number"])
    return [_row(row) for row in rows]


def items(after: int, limit: int) -> list[ItemRow]:
    """The first `limit` items with ids above `after`, by id."""
    return [_item(row) for row in Item.objects.filter(pk__gt=after).order_by("pk")[:limit]]


def item(item_id: int) -> ItemRow | None:
    row = Item.objects.filter(pk=item_id).first()
    return row and _item(row)


def create_item(name: str, quantity: int) -> ItemRow:
    return _item(Item.objects.create(name=name, quantity=quantity))


def replace_item(row: ItemRow) -> bool:
    """False where there is no such item; so for the next."""
    return Item.objects.filter(pk=row.id).update(name=row.name, quantity=row.quantity) == 1


def delete_item(item_id: int) -> bool:
    deleted, _ = Item.objects.filter(pk=item_id).delete()
    return deleted == 1


def _item(row: Item) -> ItemRow:
    return ItemRow(row.id, row.name, row.quantity)


def _row(row: World) -> WorldRow:
    return WorldRow(row.id, row.random_number)
