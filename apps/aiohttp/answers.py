"""What the handlers share: exact JSON, errors as JSON, and parameters that raise one."""

import json
from typing import Any

import parameters
from aiohttp import web


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def json_answer(value: Any) -> web.Response:
    # json_response() would give the type a charset.
    return web.Response(body=json_bytes(value), content_type="application/json")


def json_error(kind: type[web.HTTPError], reason: str) -> web.HTTPError:
    """An exception to raise, answered as `{"error": reason}`."""
    error = kind()
    error.body = json_bytes({"error": reason})
    # Set after the body: a text= given to the constructor would add a charset.
    error.headers["Content-Type"] = "application/json"
    return error


def lenient(request: web.Request, name: str) -> int:
    return parameters.lenient(request.query.get(name))


def strict(request: web.Request, name: str, highest: int) -> int:
    try:
        return parameters.strict(request.query.get(name), highest)
    except ValueError as error:
        raise json_error(web.HTTPBadRequest, f"{name}: {error}") from None
