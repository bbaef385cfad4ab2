"""The endpoints of faults.py."""

import time

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from endpoints import faults
from endpoints.responses import json_response


@require_http_methods(["GET", "POST"])
def fault(request: HttpRequest, name: str) -> HttpResponse:
    if not faults.allowed(name, request.headers.get("X-Fault-Secret")):
        raise Http404
    try:
        asked = faults.read(name, request.GET.get)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    time.sleep(asked.after_s)
    pool = faults.executor(asked.where)
    return json_response(pool.submit(faults.commit, asked).result() if pool else faults.commit(asked))
