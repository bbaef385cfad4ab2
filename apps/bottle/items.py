"""The resource `/api/items`: listed, opened, created, edited, deleted."""

from typing import Any

from application import application, refusal
from bodies import body_of_request, declared_length
from bottle import HTTPResponse, request, response
from database import Item, database
from item_fields import item_faults, json_object
from parameters import optional

LONGEST_BODY_BYTES = 4096
# A body up to here is read even to be refused: some servers reset a connection on which they leave one unread.
LONGEST_READ_BYTES = 65_536
HIGHEST_ID = 2_147_483_647
LIMIT = 20
HIGHEST_LIMIT = 100

# An id as it is written: Bottle's own `int` would take zeros in front, a sign and the digits of other scripts. Its patterns end
# with `$`, which stands before a last line break too.
application.router.add_filter("item_id", lambda configuration: (r"[1-9][0-9]{0,9}(?!\n)", int, str))


@application.get("/api/items")
def list_items() -> list[dict[str, Any]]:
    after = optional("after", 0, HIGHEST_ID)
    limit = optional("limit", LIMIT, HIGHEST_LIMIT, lowest=1)
    return [as_object(item) for item in database.items(after, limit)]


@application.post("/api/items")
def create_item() -> dict[str, Any]:
    name, quantity = name_and_quantity()
    item_id = database.create_item(name, quantity)
    response.status = 201
    response.set_header("Location", f"/api/items/{item_id}")
    return as_object((item_id, name, quantity))


@application.get("/api/items/<item_id:item_id>")
def open_item(item_id: int) -> dict[str, Any]:
    item = database.item(item_id)
    if item is None:
        raise not_found()
    return as_object(item)


@application.put("/api/items/<item_id:item_id>")
def edit_item(item_id: int) -> dict[str, Any]:
    item = (item_id, *name_and_quantity())
    if not database.replace_item(item):
        raise not_found()
    return as_object(item)


@application.delete("/api/items/<item_id:item_id>")
def delete_item(item_id: int) -> str:
    if not database.delete_item(item_id):
        raise not_found()
    response.status = 204
    return ""


def as_object(item: Item) -> dict[str, Any]:
    return {"id": item[0], "name": item[1], "quantity": item[2]}


def not_found() -> HTTPResponse:
    return refusal(404, {"error": "item: not found"})


def name_and_quantity() -> tuple[str, int]:
    """What the body asks an item to be; the first thing that is wrong with it is raised as the answer."""
    if request.content_type.partition(";")[0].strip() != "application/json":
        raise refusal(415, {"error": "body: not application/json"})
    if declared_length() > LONGEST_READ_BYTES:
        raise too_long()
    body = body_of_request().read(LONGEST_BODY_BYTES + 1)
    if len(body) > LONGEST_BODY_BYTES:
        raise too_long()
    value = json_object(body)
    if value is None:
        raise refusal(400, {"error": "body: not a JSON object"})
    if faults := item_faults(value):
        raise refusal(422, {"errors": faults})
    return value["name"], value["quantity"]


def too_long() -> HTTPResponse:
    return refusal(413, {"error": f"body: longer than {LONGEST_BODY_BYTES} bytes"})
