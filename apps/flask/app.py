"""The contract on Flask: `application` is the WSGI callable, `create_app()` builds a new one."""

import json
import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import basic
import bodies
import data
import items
import work
from flask import Flask
from flask.json.provider import JSONProvider
from parameters import BadParameterError


class CompactJSONProvider(JSONProvider):
    """JSON as the contract wants it: Flask's own provider sorts keys, escapes non-ASCII and ends with a newline."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return json.dumps(obj, separators=(",", ":"), ensure_ascii=False, **kwargs)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return json.loads(s, **kwargs)


def bad_parameter(error: BadParameterError) -> tuple[dict[str, str], int]:
    return {"error": str(error)}, 400


def optional_modules() -> Iterator[Any]:
    """Those whose endpoints exist only where the environment asks for them; else they are not even imported."""
    for variable, name in (("FAULT_SECRET", "fault_routes"), ("UPSTREAM_URL", "fanout"), ("BROKER_URL", "reports")):
        if os.environ.get(variable):
            yield import_module(name)


def create_app() -> Flask:
    # Without `static_folder=None` Flask adds a `/static` route of its own; bodies.py has the contract's.
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # an address with `//` in it is unknown: 404, not a redirect
    app.json = CompactJSONProvider(app)
    app.register_error_handler(BadParameterError, bad_parameter)
    app.register_error_handler(items.RefusalError, items.refuse)
    app.url_map.converters["item_id"] = items.ItemIdConverter
    for module in (basic, data, items, work, bodies):
        app.register_blueprint(module.blueprint)
    for module in optional_modules():
        app.register_blueprint(module.blueprint)
    return app


application = create_app()
