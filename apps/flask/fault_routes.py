"""The endpoints of faults.py."""

import time
from typing import Any

import faults
from flask import Blueprint, abort, request

blueprint = Blueprint("faults", __name__)


@blueprint.route("/fault/<name>", methods=["GET", "POST"])
def fault(name: str) -> Any:
    if not faults.allowed(name, request.headers.get("X-Fault-Secret")):
        abort(404)
    try:
        asked = faults.read(name, request.args.get)
    except ValueError as error:
        return {"error": str(error)}, 400
    time.sleep(asked.after_s)
    pool = faults.executor(asked.where)
    return pool.submit(faults.commit, asked).result() if pool else faults.commit(asked)
