"""The resource `/api/items`: listed, opened, created, edited, deleted."""

from functools import partial

from aiohttp import web
from answers import error_with, json_answer, json_error, optional
from item_fields import item_faults, json_object
from records import database

BODY_MAX_BYTES = 4096
ID_MAX = 2_147_483_647
LIMIT = 20
LIMIT_MAX = 100

# An id is written without zeros in front.
ITEM = "/api/items/{id:[1-9][0-9]{0,9}}"

routes = web.RouteTableDef()


@routes.get("/api/items")
async def list_items(request: web.Request) -> web.Response:
    after = optional(request, "after", 0, ID_MAX)
    limit = optional(request, "limit", LIMIT, LIMIT_MAX, lowest=1)
    return json_answer(await database(request).items(after, limit))


@routes.post("/api/items")
async def create_item(request: web.Request) -> web.Response:
    item = await database(request).create_item(*await name_and_quantity(request))
    return json_answer(item, status=201, location=f"/api/items/{item['id']}")


@routes.get(ITEM)
async def open_item(request: web.Request) -> web.Response:
    item = await database(request).item(item_id(request))
    if item is None:
        raise not_found()
    return json_answer(item)


@routes.put(ITEM)
async def edit_item(request: web.Request) -> web.Response:
    item = await database(request).replace_item(item_id(request), *await name_and_quantity(request))
    if item is None:
        raise not_found()
    return json_answer(item)


@routes.delete(ITEM)
async def delete_item(request: web.Request) -> web.Response:
    if not await database(request).delete_item(item_id(request)):
        raise not_found()
    return web.Response(status=204)


def item_id(request: web.Request) -> int:
    return int(request.match_info["id"])


def not_found() -> web.HTTPError:
    return json_error(web.HTTPNotFound, "item: not found")


async def name_and_quantity(request: web.Request) -> tuple[str, int]:
    """What the body asks an item to be; raises for the first thing that is wrong with it."""
    if request.content_type != "application/json":
        raise json_error(web.HTTPUnsupportedMediaType, "body: not application/json")
    if (request.content_length or 0) > BODY_MAX_BYTES:
        raise too_long(request.content_length)
    body = await request.read()
    if len(body) > BODY_MAX_BYTES:  # it came in chunks
        raise too_long(len(body))
    value = json_object(body)
    if value is None:
        raise json_error(web.HTTPBadRequest, "body: not a JSON object")
    if faults := item_faults(value):
        raise error_with(web.HTTPUnprocessableEntity, {"errors": faults})
    return value["name"], value["quantity"]


def too_long(size_bytes: int) -> web.HTTPError:
    kind = partial(web.HTTPRequestEntityTooLarge, BODY_MAX_BYTES, size_bytes)
    return json_error(kind, f"body: longer than {BODY_MAX_BYTES} bytes")
