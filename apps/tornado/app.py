"""The contract's endpoints in Tornado: one RequestHandler each, and an Application that owns the pool."""

import asyncio
import hashlib
import os
import platform
import sys
import time
from contextlib import suppress
from pathlib import Path

import tornado
from database import Database
from handlers import Handler, JsonErrors, NotFound
from items import Item, Items
from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, StaticFileHandler, stream_request_body

WAIT_MAX_MS = 10_000
ROUNDS_MAX = 10_000_000
UPLOAD_MAX_BYTES = 64 * 1024 * 1024
BLOB_MAX_BYTES = 256 * 1024 * 1024
PIECE = bytes(range(256)) * 256


class Health(Handler):
    def get(self) -> None:
        self.finish_text("ok")


class Plaintext(Handler):
    def get(self) -> None:
        self.finish_text("Hello, World!")


class Json(Handler):
    def get(self) -> None:
        self.finish_json({"message": "Hello, World!"})


class Db(Handler):
    async def get(self) -> None:
        self.finish_json(await self.database.world())


class Queries(Handler):
    async def get(self) -> None:
        self.finish_json(await self.database.worlds(self.lenient("queries")))


class Fortunes(Handler):
    async def get(self) -> None:
        fortunes = await self.database.fortunes()
        fortunes.append((0, "Additional fortune added at request time."))
        fortunes.sort(key=lambda fortune: fortune[1])
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.render("fortunes.html", fortunes=fortunes)


class Updates(Handler):
    async def get(self) -> None:
        self.finish_json(await self.database.update_worlds(self.lenient("queries")))


class CachedQueries(Handler):
    async def get(self) -> None:
        self.finish_json(await self.database.cached_worlds(self.lenient("count")))


class Io(Handler):
    async def get(self) -> None:
        ms = self.strict("ms", WAIT_MAX_MS)
        end_s = time.monotonic() + ms / 1000
        # A loop's timer may fire up to its resolution early (1 ms in uvloop).
        while (left_s := end_s - time.monotonic()) > 0:
            await asyncio.sleep(left_s)
        self.finish_json({"waited_ms": ms})


class IoDb(Handler):
    async def get(self) -> None:
        ms = self.strict("ms", WAIT_MAX_MS)
        await self.database.sleep(ms)
        self.finish_json({"waited_ms": ms})


class Cpu(Handler):
    def get(self) -> None:
        rounds = self.strict("n", ROUNDS_MAX)
        x = 1
        for _ in range(rounds):
            x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        self.finish_json({"n": rounds, "result": x})


@stream_request_body
class Upload(Handler):
    def prepare(self) -> None:
        self.request.connection.set_max_body_size(UPLOAD_MAX_BYTES)
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def data_received(self, chunk: bytes) -> None:
        self.digest.update(chunk)
        self.size_bytes += len(chunk)

    def post(self) -> None:
        self.finish_json({"bytes": self.size_bytes, "sha256": self.digest.hexdigest()})


class Blob(Handler):
    async def get(self) -> None:
        left_bytes = self.strict("bytes", BLOB_MAX_BYTES)
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Length", left_bytes)
        with suppress(StreamClosedError):  # The client went away; nobody is left to tell.
            while left_bytes > 0:
                self.write(PIECE[:left_bytes])
                # Returns once the socket has taken the piece, so a slow reader holds back the next one.
                await self.flush()
                left_bytes -= len(PIECE)


class Static(JsonErrors, StaticFileHandler):
    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """File names are bytes: one that is no UTF-8 is an unknown name (404), not a bad request."""
        return os.fsdecode(value)

    def parse_url_path(self, url_path: str) -> str:
        if "\0" in url_path:
            raise HTTPError(404)  # The file system's calls would raise ValueError.
        return super().parse_url_path(url_path)


class WhoAmI(Handler):
    def get(self) -> None:
        self.finish_json(
            {
                "framework": "tornado",
                "framework_version": tornado.version,
                "server": f"tornado/{tornado.version}",
                "python": platform.python_version(),
                "implementation": sys.implementation.name,
                "loop": type(asyncio.get_running_loop()).__module__.partition(".")[0],
                "pid": os.getpid(),
                "data": "psycopg 3",
            }
        )


class ContractApplication(Application):
    def __init__(self) -> None:
        url = os.environ.get("DATABASE_URL")
        self.database = Database(url, int(os.environ.get("DB_POOL_MAX", "4"))) if url else None
        routes = [
            ("/healthz", Health),
            ("/plaintext", Plaintext),
            ("/json", Json),
            ("/db", Db),
            ("/queries", Queries),
            ("/fortunes", Fortunes),
            ("/updates", Updates),
            ("/cached-queries", CachedQueries),
            ("/api/items", Items),
            ("/api/items/([1-9][0-9]{0,9})", Item),
            ("/io", Io),
            ("/io-db", IoDb),
            ("/cpu", Cpu),
            ("/upload", Upload),
            ("/blob", Blob),
            ("/static/(.+)", Static, {"path": os.environ.get("STATIC_DIR", "static")}),
            ("/whoami", WhoAmI),
        ]
        if os.environ.get("FAULT_SECRET"):
            import fault_handler

            routes += fault_handler.routes
        if os.environ.get("UPSTREAM_URL"):
            import fanout

            routes += fanout.routes
        super().__init__(
            routes,
            default_handler_class=NotFound,
            template_path=str(Path(__file__).with_name("templates")),
            database=self.database,
        )

    async def close(self) -> None:
        """To be awaited by the server, in its loop, before the process ends."""
        if self.database:
            await self.database.close()


def make_app() -> ContractApplication:
    return ContractApplication()
