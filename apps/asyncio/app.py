"""The contract on plain asyncio: routes, and what the connections of a process share."""

import os
import re
from urllib.parse import unquote_to_bytes

import handlers
import items
import records
from connection import Connection
from database import Database
from messages import Digest, Endpoint, Kept, Refusal, Request, Response

ROUTES: dict[bytes, dict[str, Endpoint]] = {
    b"/healthz": {"GET": Endpoint(handlers.healthz)},
    b"/plaintext": {"GET": Endpoint(handlers.plaintext)},
    b"/json": {"GET": Endpoint(handlers.json_message)},
    b"/db": {"GET": Endpoint(records.db)},
    b"/queries": {"GET": Endpoint(records.queries)},
    b"/fortunes": {"GET": Endpoint(records.fortunes)},
    b"/updates": {"GET": Endpoint(records.updates)},
    b"/cached-queries": {"GET": Endpoint(records.cached_queries)},
    b"/api/items": {"GET": Endpoint(items.list_items), "POST": Endpoint(items.create_item, Kept)},
    b"/io": {"GET": Endpoint(handlers.io)},
    b"/io-db": {"GET": Endpoint(records.io_db)},
    b"/cpu": {"GET": Endpoint(handlers.cpu)},
    b"/upload": {"POST": Endpoint(handlers.upload, Digest)},
    b"/blob": {"GET": Endpoint(handlers.blob)},
    b"/whoami": {"GET": Endpoint(handlers.whoami)},
}
# Those whose last part is open, and becomes the request's `name`.
OPEN_ROUTES: list[tuple[re.Pattern[bytes], dict[str, Endpoint]]] = [
    (
        re.compile(rb"/api/items/([1-9][0-9]{0,9})"),
        {
            "GET": Endpoint(items.open_item),
            "PUT": Endpoint(items.edit_item, Kept),
            "DELETE": Endpoint(items.delete_item),
        },
    ),
    (re.compile(rb"/static/(.+)", re.DOTALL), {"GET": Endpoint(handlers.static)}),
]
if os.environ.get("FAULT_SECRET"):
    import fault_routes

    OPEN_ROUTES.append((re.compile(rb"/fault/([a-z]+)"), fault_routes.METHODS))


def not_found(request: Request) -> Response:
    raise handlers.not_found()


NOT_FOUND = Endpoint(not_found)


class App:
    """Makes the protocol of each connection. The first request that needs the database opens its pool."""

    def __init__(self) -> None:
        url = os.environ.get("DATABASE_URL")
        self.database = Database(url, int(os.environ.get("DB_POOL_MAX", "4"))) if url else None
        self.connections: set[Connection] = set()

    def __call__(self) -> Connection:
        return Connection(self)

    def route(self, method: str, raw_path: bytes) -> tuple[Endpoint, str]:
        path = unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path
        methods, name = ROUTES.get(path), ""
        if methods is None:
            for pattern, found in OPEN_ROUTES:
                if match := pattern.fullmatch(path):
                    methods, name = found, os.fsdecode(match[1])
                    break
            else:
                return NOT_FOUND, ""
        return methods.get(method) or not_allowed(methods), name

    async def close(self) -> None:
        """To be awaited by the server, in its loop, before the process ends."""
        for connection in list(self.connections):
            connection.transport.close()
        if self.database:
            await self.database.close()


def not_allowed(methods: dict[str, Endpoint]) -> Endpoint:
    def handler(request: Request) -> Response:
        raise Refusal(405, {"error": "Method Not Allowed"}, Allow=", ".join(methods))

    return Endpoint(handler)


def make_app() -> App:
    return App()
