"""The endpoints of faults.py."""

import time
from typing import Any

import faults
from application import application, refusal
from bottle import abort, request


@application.route("/fault/<name>", method=["GET", "POST"])
def fault(name: str) -> dict[str, Any]:
    if not faults.allowed(name, request.get_header("X-Fault-Secret")):
        abort(404, f"Not found: {request.path!r}")  # as of any other path
    try:
        asked = faults.read(name, request.query.get)
    except ValueError as error:
        raise refusal(400, {"error": str(error)}) from None
    time.sleep(asked.after_s)
    pool = faults.executor(asked.where)
    return pool.submit(faults.commit, asked).result() if pool else faults.commit(asked)
