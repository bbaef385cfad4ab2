"""What each of several workers is told to do: the job, with its share of the connections and of the rate."""

import dataclasses
import math
import os
from dataclasses import replace
from typing import Any

from loadtests.errors import LoadError
from loadtests.job import Job, Workers


def count(workers: Workers) -> int:
    """How many there are."""
    return len(workers.cpus) + workers.remote


def check(job: Job) -> None:
    """Raises LoadError where the job cannot be shared out."""
    if job.workers is None:
        return
    parts = count(job.workers)
    few = next((target for target in job.targets if target.connections < parts), None)
    if few is not None:
        raise LoadError(
            f"targets: {few.id}: {few.connections} connections cannot be shared out to {parts} workers; give it at least {parts}"
        )


def share(job: Job, part: int, parts: int) -> dict[str, Any]:
    """The job of worker `part` (from 0) of `parts`, as a message carries it.

    Connections are shared out evenly. The rate stays the job's: which arrivals are its own a worker knows by its number.
    It writes no files; what it records is fetched.
    """
    targets = tuple(
        replace(target, connections=target.connections // parts + (part < target.connections % parts))
        for target in job.targets
    )
    own = replace(job, targets=targets, workers=None, beside=None, keep_requests=math.ceil(job.keep_requests / parts))
    table = dataclasses.asdict(own)
    return {**table, "requests_path": None, "slices_path": None, "result_path": os.devnull}
