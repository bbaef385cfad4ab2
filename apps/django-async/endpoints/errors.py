"""Short error pages in place of Django's HTML ones."""

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

from endpoints.responses import TEXT, json_response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 with a reason in JSON: ours if a view raised BadRequest, else a general one that gives nothing away."""
    reason = str(exception) if isinstance(exception, BadRequest) else "request: malformed"
    return json_response({"error": reason}, status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponse("Not Found", status=404, content_type=TEXT)


def server_error(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Internal Server Error", status=500, content_type=TEXT)
