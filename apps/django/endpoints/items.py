"""The resource `/api/items`, as class-based views: one for the collection, one for an item."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views import View

from endpoints.item_fields import item_faults, json_object
from endpoints.parameters import optional
from endpoints.responses import json_response
from endpoints.rows import ItemRow

data: Any = import_module(settings.DATA_MODULE)

BODY_BYTES_MAX = 4096
READ_BYTES_MAX = 65_536
ID_MAX = 2_147_483_647
LIMIT = 20
LIMIT_MAX = 100


class ItemId:
    """A path converter: an id as it is written, without zeros in front, which `int` would take."""

    regex = "[1-9][0-9]{0,9}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


class RefusalError(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.answer = answer


class JsonView(View):
    """Answers a RefusalError with its JSON."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().dispatch(request, *args, **kwargs)
        except RefusalError as refusal:
            return json_response(refusal.answer, status=refusal.status)


class Items(JsonView):
    def get(self, request: HttpRequest) -> HttpResponse:
        after = optional(request.GET, "after", 0, 0, ID_MAX)
        limit = optional(request.GET, "limit", LIMIT, 1, LIMIT_MAX)
        return json_response([row.as_json() for row in data.items(after, limit)])

    def post(self, request: HttpRequest) -> HttpResponse:
        row = data.create_item(*name_and_quantity(request))
        response = json_response(row.as_json(), status=201)
        response["Location"] = f"/api/items/{row.id}"
        return response


class Item(JsonView):
    def get(self, request: HttpRequest, item_id: int) -> HttpResponse:
        row = data.item(item_id)
        if row is None:
            raise not_found()
        return json_response(row.as_json())

    def put(self, request: HttpRequest, item_id: int) -> HttpResponse:
        row = ItemRow(item_id, *name_and_quantity(request))
        if not data.replace_item(row):
            raise not_found()
        return json_response(row.as_json())

    def delete(self, request: HttpRequest, item_id: int) -> HttpResponse:
        if not data.delete_item(item_id):
            raise not_found()
        return HttpResponse(status=204)


def not_found() -> RefusalError:
    return RefusalError(404, {"error": "item: not found"})


def name_and_quantity(request: HttpRequest) -> tuple[str, int]:
    """What the body asks an item to be. Raises RefusalError for the first thing that is wrong with it."""
    if (request.content_type or "").lower() != "application/json":
        raise RefusalError(415, {"error": "body: not application/json"})
    body = request.read(BODY_BYTES_MAX + 1)
    if len(body) > BODY_BYTES_MAX:
        # To its end: a server may cut a connection off whose body was not read, and the answer be lost with it.
        request.read(READ_BYTES_MAX)
        raise RefusalError(413, {"error": f"body: longer than {BODY_BYTES_MAX} bytes"})
    value = json_object(body)
    if value is None:
        raise RefusalError(400, {"error": "body: not a JSON object"})
    if faults := item_faults(value):
        raise RefusalError(422, {"errors": faults})
    return value["name"], value["quantity"]
