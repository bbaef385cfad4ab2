"""How a stack is drawn, from its id alone: the colour of its framework, the mark of its worker model."""

from analysis.palette import FRAMEWORKS

_MODELS = (
    ("threads", ("gunicorn-gthread", "uwsgi-threads", "waitress", "granian-wsgi", "twisted-wsgi")),
    ("greenlets", ("gunicorn-gevent", "uwsgi-gevent", "gevent-pywsgi")),
    ("sync", ("gunicorn-sync", "uwsgi")),
    ("loops", ("multi", "fork", "reuse-port", "gunicorn-aiohttp", "twisted-multi")),
    ("loop", ("single", "twisted-single")),
    ("asgi", ("uvicorn", "granian-asgi", "hypercorn", "gunicorn-asgi")),
    ("dev", ("runserver", "wsgiref", "flask-dev")),
    ("native", ("node", "go")),
)
"""Worker models by how the names of servers begin, the longer names before the shorter."""


def model(stack: str) -> str:
    """The worker model; empty for a server that is not known here."""
    server = stack.split("/")[1] if "/" in stack else ""
    return next((name for name, starts in _MODELS if server.startswith(starts)), "")


def ink(stack: str) -> str:
    """The framework's ink, or that of none in particular."""
    app = stack.split("/")[0].partition("+")[0].partition("@")[0]
    return f"fw-{app if app in FRAMEWORKS else 'other'}"
