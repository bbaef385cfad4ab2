"""A report that takes a while to make, and Celery's application to make it elsewhere: `celery --app=tasks worker`."""

import os
import time
from functools import cache

import redis
from celery import Celery

BROKER_URL = os.environ["BROKER_URL"]
DONE = "reports"
"""The list in the broker's store to which every report is appended that is done: when it was asked for, begun and ended."""

app = Celery("tasks", broker=BROKER_URL)
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)


@cache
def store() -> redis.Redis:
    """One connection pool for the process, made after any fork."""
    return redis.Redis.from_url(BROKER_URL)


def make_report(rounds: int, asked: float) -> int:
    """The report: `rounds` rounds of the contract's computation. `asked`: when it was asked for, in seconds since the epoch."""
    began = time.time()
    x = 1
    for _ in range(rounds):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    store().rpush(DONE, f"{asked:.6f} {began:.6f} {time.time():.6f}")
    return x


@app.task(name="report")
def report(rounds: int, asked: float) -> None:
    make_report(rounds, asked)
