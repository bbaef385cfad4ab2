"""What hosts this process."""

import asyncio
import sys
from importlib.metadata import version

from asgiref.sync import async_to_sync
from django.http import HttpRequest

from endpoints.streams import is_asgi


def server(request: HttpRequest) -> str | None:
    """Name and version of the server. ASGI has no key for them, so there it is found by whose module is loaded."""
    if is_asgi(request):
        name = next((name for name in ("uvicorn", "granian", "hypercorn", "gunicorn") if name in sys.modules), None)
        return f"{name}/{version(name)}" if name else None
    uwsgi = request.META.get("uwsgi.version")  # uWSGI puts its version, in bytes, under a key of its own
    return f"uwsgi/{uwsgi.decode()}" if uwsgi is not None else request.META.get("SERVER_SOFTWARE")


def event_loop(request: HttpRequest) -> str | None:
    """The module of the event loop that waits for this thread; None under WSGI, where none runs."""
    return async_to_sync(_running_loop)() if is_asgi(request) else None


async def _running_loop() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]
