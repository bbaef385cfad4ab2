"""What a job asks of each target: one request again and again, or the users of a journey."""

from dataclasses import replace

from loadtests import scenario
from loadtests.errors import LoadError
from loadtests.job import Job
from loadtests.journey import EngineUser
from loadtests.troupe import user_class


def requests_of(job: Job) -> list[scenario.Request]:
    """What is sent to each target. Raises LoadError."""
    if job.request is not None:
        asked = job.request if isinstance(job.request, tuple) else (job.request,) * len(job.targets)
        return [scenario.inline(each.method, each.path, each.headers) for each in asked]
    assert job.scenario is not None
    request = scenario.resolve(job.scenario, job.parameters)
    if job.check_every is not None:
        request = replace(request, every=job.check_every)
    return [request] * len(job.targets)


def journey_of(job: Job, request: scenario.Request) -> type[EngineUser] | None:
    """The users that `request` stands for; None where it is one request. Raises LoadError."""
    if request.journey is None:
        return None
    if job.mode == "open":
        raise LoadError(
            f"scenario {request.name!r} is a journey: its users wait for each answer, so there is no rate of arrivals; use a closed loop"
        )
    if job.stages or job.think_s:
        raise LoadError(f"scenario {request.name!r} is a journey: it takes neither stages nor think_s")
    return user_class(request.journey)
