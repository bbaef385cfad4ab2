"""The head of a response: status line and headers."""

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from messages import Request, Response

STATUS_LINES = {status: f"HTTP/1.1 {status.value} {status.phrase}\r\nServer: asyncio\r\n" for status in HTTPStatus}


def head(request: Request, response: Response, length_bytes: int) -> bytes:
    """With the empty line after it. `length_bytes`: of the body."""
    lines = f"{STATUS_LINES[response.status]}Date: {date(int(time.time()))}\r\n"
    if response.status != 204:  # it has neither
        lines += f"Content-Type: {response.content_type}\r\nContent-Length: {length_bytes}\r\n"
    for name, value in response.headers.items():
        lines += f"{name}: {value}\r\n"
    if not request.keep_alive:
        lines += "Connection: close\r\n"
    elif request.version == "1.0":
        lines += "Connection: keep-alive\r\n"
    return f"{lines}\r\n".encode("latin-1")


@lru_cache(maxsize=1)
def date(now_s: int) -> str:
    """A time as the header `Date` has it, written out once a second."""
    return formatdate(now_s, usegmt=True)
