"""Response types that several views share."""

from typing import Any

from django.http import JsonResponse

TEXT = "text/plain; charset=utf-8"

# json.dumps puts a space after each comma and colon and escapes all but ASCII unless told otherwise.
_COMPACT = {"separators": (",", ":"), "ensure_ascii": False}


def json_response(value: Any, status: int = 200) -> JsonResponse:
    """`value` as compact UTF-8 JSON under `application/json`."""
    return JsonResponse(value, safe=False, json_dumps_params=_COMPACT, status=status)
