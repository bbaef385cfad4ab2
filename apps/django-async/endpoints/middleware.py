"""Middleware that needs no thread."""

from collections.abc import Awaitable, Callable

from django.http import HttpRequest, HttpResponse
from django.utils.decorators import async_only_middleware

type Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


@async_only_middleware
def content_length(get_response: Handler) -> Handler:
    """Gives a response its Content-Length, without which a server must send chunks; CommonMiddleware's other half."""

    async def handle(request: HttpRequest) -> HttpResponse:
        response = await get_response(request)
        if not response.streaming and "Content-Length" not in response:
            response["Content-Length"] = str(len(response.content))
        return response

    return handle
