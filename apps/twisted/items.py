"""The resource `/api/items`: one for the collection, whose children are the items."""

import re
from http import HTTPStatus

import database
from item_fields import item_faults, json_object
from records import DatabaseResource, as_json
from resources import NotFound, Refusal, json_answer, later, optional
from twisted.web.resource import Resource
from twisted.web.server import Request

BODY_MAX_BYTES = 4096
ID = re.compile(rb"[1-9][0-9]{0,9}")
ID_MAX = 2_147_483_647
LIMIT = 20
LIMIT_MAX = 100


class Items(DatabaseResource):
    def getChild(self, path: bytes, request: Request) -> Resource:
        return Item(self._database, int(path)) if ID.fullmatch(path) else NotFound()

    def render_GET(self, request: Request) -> int:
        after = optional(request, "after", 0, ID_MAX)
        limit = optional(request, "limit", LIMIT, LIMIT_MAX, lowest=1)
        return later(request, self.database.items(after, limit).addCallback(as_json, request))

    def render_POST(self, request: Request) -> int:
        created = self.database.create_item(*name_and_quantity(request))
        return later(request, created.addCallback(self.created, request))

    def created(self, item: database.Item, request: Request) -> bytes:
        request.setHeader(b"Location", f"/api/items/{item['id']}".encode())
        return json_answer(request, item, HTTPStatus.CREATED)


class Item(DatabaseResource):
    def __init__(self, database: database.Database | None, id_: int) -> None:
        super().__init__(database)
        self.id = id_

    def render_GET(self, request: Request) -> int:
        return later(request, self.database.item(self.id).addCallback(self.found, request))

    def render_PUT(self, request: Request) -> int:
        replaced = self.database.replace_item(self.id, *name_and_quantity(request))
        return later(request, replaced.addCallback(self.found, request))

    def render_DELETE(self, request: Request) -> int:
        return later(request, self.database.delete_item(self.id).addCallback(self.deleted, request))

    def found(self, item: database.Item | None, request: Request) -> bytes:
        if item is None:
            raise Refusal(HTTPStatus.NOT_FOUND, {"error": "item: not found"})
        return json_answer(request, item)

    def deleted(self, was_there: bool, request: Request) -> bytes:
        if not was_there:
            raise Refusal(HTTPStatus.NOT_FOUND, {"error": "item: not found"})
        request.setResponseCode(HTTPStatus.NO_CONTENT)
        return b""


def name_and_quantity(request: Request) -> tuple[str, int]:
    """What the body asks an item to be; raises Refusal for the first thing that is wrong with it."""
    media_type = (request.getHeader(b"Content-Type") or b"").partition(b";")[0]
    if media_type.strip().lower() != b"application/json":
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"error": "body: not application/json"})
    body = request.content.read(BODY_MAX_BYTES + 1)
    if len(body) > BODY_MAX_BYTES:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"body: longer than {BODY_MAX_BYTES} bytes"})
    value = json_object(body)
    if value is None:
        raise Refusal(HTTPStatus.BAD_REQUEST, {"error": "body: not a JSON object"})
    if faults := item_faults(value):
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, {"errors": faults})
    return value["name"], value["quantity"]
