"""The resource `/api/items`: listed, opened, created, edited, deleted."""

from typing import Any

from database import Item, database
from flask import Blueprint, Response, request
from item_fields import item_faults, json_object
from parameters import optional
from werkzeug.routing import BaseConverter

blueprint = Blueprint("items", __name__, url_prefix="/api/items")

LONGEST_BODY_BYTES = 4096
LONGEST_READ_BYTES = 65_536
HIGHEST_ID = 2_147_483_647
LIMIT = 20
HIGHEST_LIMIT = 100


class ItemIdConverter(BaseConverter):
    """An id as it is written: Werkzeug's own `int` would take zeros in front and the digits of other scripts."""

    regex = "[1-9][0-9]{0,9}"

    def to_python(self, value: str) -> int:
        return int(value)


class RefusalError(Exception):
    """An answer that is not what was asked for: `status`, and `answer` as JSON."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.answer = answer


def refuse(error: RefusalError) -> tuple[dict[str, Any], int]:
    return error.answer, error.status


@blueprint.get("")
def list_items() -> list[dict[str, Any]]:
    after = optional("after", 0, HIGHEST_ID)
    limit = optional("limit", LIMIT, HIGHEST_LIMIT, lowest=1)
    return [as_object(item) for item in database.items(after, limit)]


@blueprint.post("")
def create_item() -> tuple[dict[str, Any], int, dict[str, str]]:
    name, quantity = name_and_quantity()
    item_id = database.create_item(name, quantity)
    return as_object((item_id, name, quantity)), 201, {"Location": f"/api/items/{item_id}"}


@blueprint.get("/<item_id:item_id>")
def open_item(item_id: int) -> dict[str, Any]:
    item = database.item(item_id)
    if item is None:
        raise not_found()
    return as_object(item)


@blueprint.put("/<item_id:item_id>")
def edit_item(item_id: int) -> dict[str, Any]:
    item = (item_id, *name_and_quantity())
    if not database.replace_item(item):
        raise not_found()
    return as_object(item)


@blueprint.delete("/<item_id:item_id>")
def delete_item(item_id: int) -> Response:
    if not database.delete_item(item_id):
        raise not_found()
    return Response(status=204)


def as_object(item: Item) -> dict[str, Any]:
    return {"id": item[0], "name": item[1], "quantity": item[2]}


def not_found() -> RefusalError:
    return RefusalError(404, {"error": "item: not found"})


def name_and_quantity() -> tuple[str, int]:
    """What the body asks an item to be, or RefusalError for the first thing that is wrong with it."""
    if request.mimetype != "application/json":
        raise RefusalError(415, {"error": "body: not application/json"})
    body = request.stream.read(LONGEST_BODY_BYTES + 1)
    if len(body) > LONGEST_BODY_BYTES:
        # To its end: a server may cut a connection off whose body was not read, and the answer be lost with it.
        request.stream.read(LONGEST_READ_BYTES)
        raise RefusalError(413, {"error": f"body: longer than {LONGEST_BODY_BYTES} bytes"})
    value = json_object(body)
    if value is None:
        raise RefusalError(400, {"error": "body: not a JSON object"})
    if faults := item_faults(value):
        raise RefusalError(422, {"errors": faults})
    return value["name"], value["quantity"]
