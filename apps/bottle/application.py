"""The application itself, what every route of it shares, and how it writes JSON."""

import functools
import json
from collections.abc import Callable
from typing import Any

from bottle import Bottle, HTTPResponse, Route, abort, request, response

JSON = "application/json"


def dumps(value: Any) -> str:
    """JSON as the contract wants it: Bottle's own plugin puts blanks after commas and colons."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def refusal(status: int, answer: dict[str, Any]) -> HTTPResponse:
    """An answer to raise: `answer` as JSON under `status`."""
    return HTTPResponse(dumps(answer), status, content_type=JSON)


class CompactJSONPlugin:
    """Makes JSON of what routes return as dictionaries or lists; Bottle's own takes dictionaries only."""

    name = "json"
    api = 2

    def apply(self, callback: Callable[..., Any], route: Route) -> Callable[..., Any]:
        @functools.wraps(callback)
        def answer(**arguments: Any) -> Any:
            value = callback(**arguments)
            if isinstance(value, dict | list):
                response.content_type = JSON
                return dumps(value)
            return value

        return answer


application = Bottle(autojson=False)
application.install(CompactJSONPlugin())


@application.hook("before_request")
def refuse_other_than_utf_8() -> None:
    """Bottle leaves out bytes that are not UTF-8, and would answer `/json` to who asks for `/json%FF`."""
    path = request["bottle.raw_path"]
    if path.isascii():
        return
    try:
        path.encode("latin-1").decode()
    except UnicodeDecodeError:
        abort(404)
