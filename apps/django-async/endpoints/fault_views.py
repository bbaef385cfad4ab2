"""The endpoints of faults.py."""

import asyncio

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from endpoints import faults
from endpoints.responses import json_response


@require_http_methods(["GET", "POST"])
async def fault(request: HttpRequest, name: str) -> HttpResponse:
    if not faults.allowed(name, request.headers.get("X-Fault-Secret")):
        raise Http404
    try:
        asked = faults.read(name, request.GET.get)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    await asyncio.sleep(asked.after_s)
    pool = faults.executor(asked.where)
    if pool is None:
        return json_response(faults.commit(asked))
    return json_response(await asyncio.get_running_loop().run_in_executor(pool, faults.commit, asked))
