"""The rows through SQL on Django's own cursor."""

from collections.abc import Iterable, Sequence

from django.db import connection, transaction

from endpoints.rows import FortuneRow, ItemRow, WorldRow, other_number

DESCRIPTION = "Django cursor on psycopg 3"

_SELECT_WORLD = "SELECT id, randomnumber FROM world WHERE id = %s"
_UPDATE_WORLD = "UPDATE world SET randomnumber = %s WHERE id = %s"


def world(row_id: int) -> WorldRow:
    [row] = worlds([row_id])
    return row


def worlds(row_ids: Iterable[int]) -> list[WorldRow]:
    """The rows in the order given, each by a statement of its own."""
    rows = []
    with connection.cursor() as cursor:
        for row_id in row_ids:
            cursor.execute(_SELECT_WORLD, [row_id])
            rows.append(WorldRow._make(cursor.fetchone()))
    return rows


def all_worlds() -> list[WorldRow]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, randomnumber FROM world")
        return [WorldRow._make(row) for row in cursor]


def fortunes() -> list[FortuneRow]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, message FROM fortune")
        return [FortuneRow._make(row) for row in cursor]


def renumber(row_ids: Sequence[int]) -> list[WorldRow]:
    """Give the rows new numbers and return them as written. `row_ids` must ascend."""
    with transaction.atomic():
        rows = [WorldRow(row.id, other_number(row.number)) for row in worlds(row_ids)]
        with connection.cursor() as cursor:
            cursor.executemany(_UPDATE_WORLD, [(row.number, row.id) for row in rows])
    return rows


def items(after: int, limit: int) -> list[ItemRow]:
    """The first `limit` items with ids above `after`, by id."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, name, quantity FROM item WHERE id > %s ORDER BY id LIMIT %s", [after, limit])
        return [ItemRow._make(row) for row in cursor]


def item(item_id: int) -> ItemRow | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, name, quantity FROM item WHERE id = %s", [item_id])
        row = cursor.fetchone()
    return row and ItemRow._make(row)


def create_item(name: str, quantity: int) -> ItemRow:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO item (name, quantity) VALUES (%s, %s) RETURNING id", [name, quantity])
        return ItemRow(cursor.fetchone()[0], name, quantity)


def replace_item(row: ItemRow) -> bool:
    """False where there is no such item; so for the next."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE item SET name = %s, quantity = %s WHERE id = %s", [row.name, row.quantity, row.id])
        return cursor.rowcount == 1


def delete_item(item_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM item WHERE id = %s", [item_id])
        return cursor.rowcount == 1
