"""The ASGI entry point: the same application through the adapter that Flask's documentation names.

The adapter reads a request's body to its end, then runs the application in a thread, of which there is one for the
whole process: one request at a time, as in a sync worker. See https://flask.palletsprojects.com/en/stable/deploying/asgi/
"""

import asyncio
import sys
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from app import application as wsgi_application
from asgiref.sync import async_to_sync
from asgiref.wsgi import WsgiToAsgi


def server() -> str:
    """Name and version of the server: ASGI has no key for them, so by whose module is loaded."""
    name = next((name for name in ("uvicorn", "granian", "hypercorn", "gunicorn") if name in sys.modules), None)
    return f"{name}/{version(name)}" if name else "unknown"


async def running_loop() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def loop() -> str:
    """The module of the event loop that waits for this thread."""
    return async_to_sync(running_loop)()


SERVER = server()


def completed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Adds what a WSGI server would say and the adapter does not."""
    environ["SERVER_SOFTWARE"] = SERVER
    environ["wsgi.input_terminated"] = True  # the body has an end, a chunked one too
    environ["asgi.loop"] = loop
    return wsgi_application(environ, start_response)


application = WsgiToAsgi(completed)
