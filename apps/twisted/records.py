"""The endpoints that need the database."""

from http import HTTPStatus
from pathlib import Path

import jinja2
from database import Database
from handlers import WAIT_MAX_MS
from resources import ContractResource, Refusal, json_answer, later, lenient, strict
from twisted.web.server import Request

# Templates do not change while the process lives: by default each use asks the file system.
templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, auto_reload=False
)


class DatabaseResource(ContractResource):
    """One that is given the database, if there is one."""

    def __init__(self, database: Database | None) -> None:
        super().__init__()
        self._database = database

    @property
    def database(self) -> Database:
        if self._database:
            return self._database
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "DATABASE_URL is not set"})


def as_json(value: object, request: Request) -> bytes:
    return json_answer(request, value)


class Db(DatabaseResource):
    def render_GET(self, request: Request) -> int:
        return later(request, self.database.world().addCallback(as_json, request))


class Queries(DatabaseResource):
    def render_GET(self, request: Request) -> int:
        return later(request, self.database.worlds(lenient(request, "queries")).addCallback(as_json, request))


class Fortunes(DatabaseResource):
    def render_GET(self, request: Request) -> int:
        return later(request, self.database.fortunes().addCallback(self.page, request))

    def page(self, rows: list[tuple[int, str]], request: Request) -> bytes:
        rows.append((0, "Additional fortune added at request time."))
        rows.sort(key=lambda fortune: fortune[1])
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        return templates.get_template("fortunes.html").render(fortunes=rows).encode()


class Updates(DatabaseResource):
    def render_GET(self, request: Request) -> int:
        return later(request, self.database.update_worlds(lenient(request, "queries")).addCallback(as_json, request))


class CachedQueries(DatabaseResource):
    def render_GET(self, request: Request) -> int:
        return later(request, self.database.cached_worlds(lenient(request, "count")).addCallback(as_json, request))


class IoDb(DatabaseResource):
    def render_GET(self, request: Request) -> int:
        ms = strict(request, "ms", WAIT_MAX_MS)
        slept = self.database.sleep(ms)
        return later(request, slept.addCallback(lambda _: json_answer(request, {"waited_ms": ms})))
