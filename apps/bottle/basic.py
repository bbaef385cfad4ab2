"""Endpoints that answer with a constant, and the one that says what runs."""

import os
import platform
import sys
from typing import Any

import bottle
from application import application
from bottle import request, response

TEXT = "text/plain; charset=utf-8"


@application.get("/healthz")
def healthz() -> str:
    response.content_type = TEXT
    return "ok"


@application.get("/plaintext")
def plaintext() -> str:
    response.content_type = TEXT
    return "Hello, World!"


@application.get("/json")
def json() -> dict[str, str]:
    return {"message": "Hello, World!"}


@application.get("/whoami")
def whoami() -> dict[str, Any]:
    return {
        "framework": "bottle",
        "framework_version": bottle.__version__,
        "server": hosting_server(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "loop": None,
        "pid": os.getpid(),
        "data": "psycopg 3",
    }


def hosting_server() -> str:
    try:
        import uwsgi  # exists only inside a uWSGI process, which sets no SERVER_SOFTWARE
    except ImportError:
        return request.environ.get("SERVER_SOFTWARE", "unknown")
    return f"uwsgi/{uwsgi.version.decode()}"
