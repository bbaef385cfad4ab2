"""The ASGI entry point: `project.asgi:application`. The views are the same as under WSGI; Django runs them in threads."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from django.core.asgi import get_asgi_application

type Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
# Each request gets a thread of its own, which ends with it. A connection that persists would end with the thread, so
# Django's documentation says to turn that off under ASGI and to use the database backend's pool.
os.environ.setdefault("DJANGO_POOL", "on")


class Bounded:
    """At most so many requests at once in `application`; the others wait, and hold no thread."""

    def __init__(self, application: Application, at_once: int) -> None:
        self._application = application
        self._places = asyncio.Semaphore(at_once)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":  # a server asks about its lifespan, which may last
            await self._application(scope, receive, send)
            return
        async with self._places:
            await self._application(scope, receive, send)


# Nothing else bounds the threads. 32 are what gunicorn's threaded workers have for each CPU.
application = Bounded(get_asgi_application(), int(os.environ.get("DJANGO_ASGI_THREADS", "32")))
