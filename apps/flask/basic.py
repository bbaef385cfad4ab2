"""Endpoints that answer with a constant, and the one that says what runs."""

import os
import platform
import sys
from importlib.metadata import version
from typing import Any

from flask import Blueprint, Response, request

blueprint = Blueprint("basic", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    return Response("ok", mimetype="text/plain")


@blueprint.get("/plaintext")
def plaintext() -> Response:
    return Response("Hello, World!", mimetype="text/plain")


@blueprint.get("/json")
def json() -> dict[str, str]:
    return {"message": "Hello, World!"}


@blueprint.get("/whoami")
def whoami() -> dict[str, Any]:
    return {
        "framework": "flask",
        "framework_version": version("flask"),
        "server": hosting_server(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "loop": event_loop(),
        "pid": os.getpid(),
        "data": "psycopg 3",
    }


def hosting_server() -> str:
    try:
        import uwsgi  # exists only inside a uWSGI process, which sets no SERVER_SOFTWARE
    except ImportError:
        return request.environ.get("SERVER_SOFTWARE", "unknown")
    return f"uwsgi/{uwsgi.version.decode()}"


def event_loop() -> str | None:
    """Under WSGI there is none; asgi.py says how to find the one under ASGI."""
    find = request.environ.get("asgi.loop")
    return find() if find else None
