"""The endpoints of faults.py."""

import asyncio

import faults
from messages import Endpoint, Refusal, Request, Response, json_response


async def fault(request: Request) -> Response:
    secret = request.headers.get(b"x-fault-secret", b"").decode("latin-1")
    if not faults.allowed(request.name, secret):
        raise Refusal(404, {"error": "Not Found"})
    try:
        asked = faults.read(request.name, request.query.get)
    except ValueError as error:
        raise Refusal(400, {"error": str(error)}) from None
    await asyncio.sleep(asked.after_s)
    pool = faults.executor(asked.where)
    if pool is None:
        return json_response(faults.commit(asked))
    return json_response(await asyncio.get_running_loop().run_in_executor(pool, faults.commit, asked))


METHODS = {"GET": Endpoint(fault), "POST": Endpoint(fault)}
