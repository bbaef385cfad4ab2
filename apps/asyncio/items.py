"""The resource `/api/items`: listed, opened, created, edited, deleted."""

from item_fields import item_faults, json_object
from messages import Refusal, Request, Response, json_response
from records import database

BODY_MAX_BYTES = 4096
ID_MAX = 2_147_483_647
LIMIT = 20
LIMIT_MAX = 100


async def list_items(request: Request) -> Response:
    after = request.optional("after", 0, ID_MAX)
    limit = request.optional("limit", LIMIT, LIMIT_MAX, lowest=1)
    return json_response(await database(request).items(after, limit))


async def create_item(request: Request) -> Response:
    item = await database(request).create_item(*name_and_quantity(request))
    response = json_response(item)
    response.status = 201
    response.headers["Location"] = f"/api/items/{item['id']}"
    return response


async def open_item(request: Request) -> Response:
    item = await database(request).item(int(request.name))
    if item is None:
        raise not_found()
    return json_response(item)


async def edit_item(request: Request) -> Response:
    item = await database(request).replace_item(int(request.name), *name_and_quantity(request))
    if item is None:
        raise not_found()
    return json_response(item)


async def delete_item(request: Request) -> Response:
    if not await database(request).delete_item(int(request.name)):
        raise not_found()
    return Response(status=204)


def not_found() -> Refusal:
    return Refusal(404, {"error": "item: not found"})


def name_and_quantity(request: Request) -> tuple[str, int]:
    """What the body asks an item to be; raises for the first thing that is wrong with it."""
    media_type = request.headers.get(b"content-type", b"").partition(b";")[0]
    if media_type.strip().lower() != b"application/json":
        raise Refusal(415, {"error": "body: not application/json"})
    if request.body.length_bytes > BODY_MAX_BYTES:
        raise Refusal(413, {"error": f"body: longer than {BODY_MAX_BYTES} bytes"})
    value = json_object(bytes(request.body.data))
    if value is None:
        raise Refusal(400, {"error": "body: not a JSON object"})
    if faults := item_faults(value):
        raise Refusal(422, {"errors": faults})
    return value["name"], value["quantity"]
