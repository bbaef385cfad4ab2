"""The resource `/api/items`: one handler for the collection, one for an item."""

from http import HTTPStatus

from handlers import Handler, RefusalError
from item_fields import item_faults, json_object

BODY_MAX_BYTES = 4096
ID_MAX = 2_147_483_647
LIMIT = 20
LIMIT_MAX = 100


class InvalidItemError(RefusalError):
    """A body that is understood, but whose fields are at fault."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY, "")
        self.body = {"errors": faults}


class ItemHandler(Handler):
    def name_and_quantity(self) -> tuple[str, int]:
        """What the body asks an item to be; raises RefusalError for the first thing that is wrong with it."""
        media_type = self.request.headers.get("Content-Type", "").partition(";")[0]
        if media_type.strip().lower() != "application/json":
            raise RefusalError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "body: not application/json")
        body = self.request.body
        if len(body) > BODY_MAX_BYTES:
            raise RefusalError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"body: longer than {BODY_MAX_BYTES} bytes")
        value = json_object(body)
        if value is None:
            raise RefusalError(HTTPStatus.BAD_REQUEST, "body: not a JSON object")
        if faults := item_faults(value):
            raise InvalidItemError(faults)
        return value["name"], value["quantity"]


class Items(ItemHandler):
    async def get(self) -> None:
        after = self.optional("after", 0, ID_MAX)
        limit = self.optional("limit", LIMIT, LIMIT_MAX, lowest=1)
        self.finish_json(await self.database.items(after, limit))

    async def post(self) -> None:
        item = await self.database.create_item(*self.name_and_quantity())
        self.set_status(HTTPStatus.CREATED)
        self.set_header("Location", f"/api/items/{item['id']}")
        self.finish_json(item)


class Item(ItemHandler):
    async def get(self, id_: str) -> None:
        item = await self.database.item(int(id_))
        if item is None:
            raise not_found()
        self.finish_json(item)

    async def put(self, id_: str) -> None:
        item = await self.database.replace_item(int(id_), *self.name_and_quantity())
        if item is None:
            raise not_found()
        self.finish_json(item)

    async def delete(self, id_: str) -> None:
        if not await self.database.delete_item(int(id_)):
            raise not_found()
        self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()


def not_found() -> RefusalError:
    return RefusalError(HTTPStatus.NOT_FOUND, "item: not found")
