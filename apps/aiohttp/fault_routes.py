"""The endpoints of faults.py."""

import asyncio

import faults
from aiohttp import web
from answers import json_answer, json_error

routes = web.RouteTableDef()


@routes.get("/fault/{name}")
@routes.post("/fault/{name}")
async def fault(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if not faults.allowed(name, request.headers.get("X-Fault-Secret")):
        raise web.HTTPNotFound
    try:
        asked = faults.read(name, request.query.get)
    except ValueError as error:
        raise json_error(web.HTTPBadRequest, str(error)) from None
    await asyncio.sleep(asked.after_s)
    pool = faults.executor(asked.where)
    if pool is None:
        return json_answer(faults.commit(asked))
    return json_answer(await asyncio.get_running_loop().run_in_executor(pool, faults.commit, asked))
