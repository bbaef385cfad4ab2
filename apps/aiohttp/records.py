"""The endpoints that need the database."""

import aiohttp_jinja2
from aiohttp import web
from answers import json_answer, json_error, lenient, strict
from database import Database
from handlers import WAIT_MAX_MS

DATABASE = web.AppKey("database", Database)

routes = web.RouteTableDef()


def database(request: web.Request) -> Database:
    if found := request.app.get(DATABASE):
        return found
    raise json_error(web.HTTPServiceUnavailable, "DATABASE_URL is not set")


@routes.get("/db")
async def db(request: web.Request) -> web.Response:
    return json_answer(await database(request).world())


@routes.get("/queries")
async def queries(request: web.Request) -> web.Response:
    return json_answer(await database(request).worlds(lenient(request, "queries")))


@routes.get("/fortunes")
@aiohttp_jinja2.template("fortunes.html")
async def fortunes(request: web.Request) -> dict[str, list[tuple[int, str]]]:
    rows = await database(request).fortunes()
    rows.append((0, "Additional fortune added at request time."))
    rows.sort(key=lambda fortune: fortune[1])
    return {"fortunes": rows}


@routes.get("/updates")
async def updates(request: web.Request) -> web.Response:
    return json_answer(await database(request).update_worlds(lenient(request, "queries")))


@routes.get("/cached-queries")
async def cached_queries(request: web.Request) -> web.Response:
    return json_answer(await database(request).cached_worlds(lenient(request, "count")))


@routes.get("/io-db")
async def io_db(request: web.Request) -> web.Response:
    ms = strict(request, "ms", WAIT_MAX_MS)
    await database(request).sleep(ms)
    return json_answer({"waited_ms": ms})
