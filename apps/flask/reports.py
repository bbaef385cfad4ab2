"""/report has a report made inline, in a thread, in another process or by Celery; but for the first it answers before that is done."""

import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from typing import Any

import tasks
from flask import Blueprint, request
from parameters import strict

blueprint = Blueprint("reports", __name__)

MOST_ROUNDS = 100_000_000
PLACES = ("inline", "thread", "process", "celery")


@cache
def thread() -> Executor:
    return ThreadPoolExecutor(max_workers=1)


@cache
def process() -> Executor:
    # Not a copy of this process, which may have threads and connections. A server may be an executable of its own.
    context = multiprocessing.get_context("spawn")
    context.set_executable(f"{sys.prefix}/bin/python")
    return ProcessPoolExecutor(max_workers=1, mp_context=context)


HAND_ON: dict[str, Callable[[int, float], object]] = {
    "thread": lambda rounds, asked: thread().submit(tasks.make_report, rounds, asked),
    "process": lambda rounds, asked: process().submit(tasks.make_report, rounds, asked),
    "celery": tasks.report.delay,
}


@blueprint.post("/report")
def report() -> tuple[dict[str, Any], int]:
    asked = time.time()
    rounds = strict("rounds", MOST_ROUNDS)
    where = request.args.get("where", "inline")
    if where == "inline":
        return {"result": tasks.make_report(rounds, asked)}, 200
    if where not in PLACES:
        return {"error": f"where: must be one of {', '.join(PLACES)}"}, 400
    HAND_ON[where](rounds, asked)
    return {"accepted": asked}, 202
