"""The endpoints that need the database."""

from pathlib import Path

import jinja2
from database import Database
from handlers import WAIT_MAX_MS
from messages import Refusal, Request, Response, json_response

# Templates do not change while the process lives: by default each use asks the file system.
templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, auto_reload=False
)


def database(request: Request) -> Database:
    if request.database:
        return request.database
    raise Refusal(503, {"error": "DATABASE_URL is not set"})


async def db(request: Request) -> Response:
    return json_response(await database(request).world())


async def queries(request: Request) -> Response:
    return json_response(await database(request).worlds(request.lenient("queries")))


async def fortunes(request: Request) -> Response:
    rows = await database(request).fortunes()
    rows.append((0, "Additional fortune added at request time."))
    rows.sort(key=lambda fortune: fortune[1])
    page = templates.get_template("fortunes.html").render(fortunes=rows)
    return Response(body=page.encode(), content_type="text/html; charset=utf-8")


async def updates(request: Request) -> Response:
    return json_response(await database(request).update_worlds(request.lenient("queries")))


async def cached_queries(request: Request) -> Response:
    return json_response(await database(request).cached_worlds(request.lenient("count")))


async def io_db(request: Request) -> Response:
    ms = request.strict("ms", WAIT_MAX_MS)
    await database(request).sleep(ms)
    return json_response({"waited_ms": ms})
