"""What the handlers share: exact JSON, errors as JSON, and parameters that raise one."""

import json
from collections.abc import Callable
from typing import Any

import parameters
from aiohttp import web


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def json_answer(value: Any, *, status: int = 200, location: str | None = None) -> web.Response:
    headers = {"Location": location} if location else None
    # json_response() would give the type a charset.
    return web.Response(body=json_bytes(value), content_type="application/json", status=status, headers=headers)


def json_error(kind: Callable[[], web.HTTPError], reason: str) -> web.HTTPError:
    """An exception to raise, answered as `{"error": reason}`."""
    return error_with(kind, {"error": reason})


def error_with(kind: Callable[[], web.HTTPError], value: dict[str, Any]) -> web.HTTPError:
    """An exception to raise, answered as `value`."""
    error = kind()
    error.body = json_bytes(value)
    # Set after the body: a text= given to the constructor would add a charset.
    error.headers["Content-Type"] = "application/json"
    return error


def lenient(request: web.Request, name: str) -> int:
    return parameters.lenient(request.query.get(name))


def strict(request: web.Request, name: str, highest: int, *, lowest: int = 0) -> int:
    try:
        return parameters.strict(request.query.get(name), highest, lowest=lowest)
    except ValueError as error:
        raise json_error(web.HTTPBadRequest, f"{name}: {error}") from None


def optional(request: web.Request, name: str, absent: int, highest: int, *, lowest: int = 0) -> int:
    """As `strict`, but `absent` where the parameter is missing."""
    return strict(request, name, highest, lowest=lowest) if name in request.query else absent
