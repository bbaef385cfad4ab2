"""What hosts this process. ASGI has no key for the server's name, so it is found by whose module is loaded."""

import asyncio
import sys
from importlib.metadata import version


def server() -> str | None:
    name = next((name for name in ("uvicorn", "granian", "hypercorn", "gunicorn") if name in sys.modules), None)
    return f"{name}/{version(name)}" if name else None


def event_loop() -> str:
    """The module of the event loop that runs the caller."""
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]
