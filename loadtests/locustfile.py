"""What Locust loads. By hand:

    locust -f loadtests/locustfile.py --host http://127.0.0.1:8000 --scenario db            with the web UI
    locust -f loadtests/locustfile.py --host http://127.0.0.1:8000 --headless -u 64 -r 64 -t 5s

Every Locust user is one pooled connection that sends the scenario's request again and again (closed loop). With `--rate 500` requests
arrive at that rate instead (open loop), the users are the connections they are sent on, and latency counts from when each was due.
`bench` starts it with `--forkloop-job FILE`, and then the file says what is done: see `job.py` and `control.py`.
"""

import logging
import sys
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.env import Environment
from locust.runners import MasterRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loadtests import scenario
from loadtests.by_hand import Load, PooledUser
from loadtests.by_job import BAD_JOB, prepare
from loadtests.errors import LoadError
from loadtests.stats_feed import complete_files

__all__ = ["PooledUser"]


def add_arguments(parser: Any) -> None:
    """Our options, beside Locust's own."""
    add, names = parser.add_argument, scenario.names()
    add("--scenario", choices=names, default="plaintext", help=f"what to ask for: {', '.join(names)}")
    add("--parameter", action="append", metavar="NAME=VALUE", help="override a parameter of the scenario")
    add("--unix", metavar="PATH", default="", help="connect to this unix socket instead of a host and port")
    add(
        "--rate",
        type=float,
        metavar="RPS",
        help="open loop: so many requests a second in all, whatever the server does",
    )
    add("--arrivals", choices=("poisson", "constant"), default="poisson", help="how they arrive at --rate")
    add("--request-timeout", type=float, default=10.0, metavar="SECONDS", help="when to give up a request")
    add("--forkloop-job", metavar="FILE", include_in_web_ui=False, help="run this job (JSON) and nothing else")


def on_init(environment: Environment, **_: Any) -> None:
    """Choose between a job and a run by hand."""
    gevent.get_hub().loop.update_now()  # else timers count from before the imports, and --run-time is cut short
    options: Any = environment.parsed_options
    own: Any = environment.events
    own.quitting.add_listener(lambda **_: complete_files(environment))  # the first one given is the last one called
    if options.forkloop_job:
        job_run = prepare(environment, Path(options.forkloop_job))
        own.quitting.add_listener(lambda **_: job_run.finish())
    else:
        own.test_start.add_listener(lambda **_: _start(environment, options.headless))
        own.test_stopping.add_listener(lambda **_: _drain())
        own.test_stop.add_listener(lambda **_: _stop())


def _start(environment: Environment, headless: bool) -> None:
    options: Any = environment.parsed_options
    if isinstance(environment.runner, MasterRunner):
        options.load_workers = max(environment.runner.worker_count, 1)  # they get these options with their users
    try:
        PooledUser.load = Load(environment)
    except LoadError as error:
        logging.getLogger(__name__).error("%s", error)
        if headless and environment.runner is not None:
            environment.process_exit_code = BAD_JOB
            gevent.spawn(environment.runner.quit)


def _drain() -> None:
    if PooledUser.load is not None:
        PooledUser.load.drain()


def _stop() -> None:
    if PooledUser.load is not None:
        PooledUser.load.close()
        PooledUser.load = None


hooks: Any = events
hooks.init_command_line_parser.add_listener(add_arguments)
hooks.init.add_listener(on_init)
