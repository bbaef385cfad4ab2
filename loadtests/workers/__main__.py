"""A worker process: finds the leader, does its share of a job, and looks for the next one. `bench load-worker` starts it; so does the
leader, on its own machine.
"""

import argparse
import logging
import os
import signal
import sys
import time
from typing import Any

import gevent
from locust import runners
from locust.env import Environment

from loadtests.dial import RealSocket
from loadtests.workers.hand import Hand
from loadtests.workers.words import ANSWER, ORDER, SILENT_S

_LOOK_EVERY_S = 0.25
_PAUSE_S = 1.0
"""Between two jobs: the leader that has just ended gives its port back meanwhile."""
_GOODBYE_S = 0.3
_ENDING_S = 5.0
"""For the greenlets of a runner that found no leader to end."""
_SERVED: list[Any] = []
"""The runner that is connected to a leader, if one is."""


class _Runner(runners.WorkerRunner):
    """Locust's, of which nothing is left where it finds no leader: socket, ZeroMQ's threads, and who waits for messages."""

    def __init__(self, environment: Environment, master_host: str, master_port: int) -> None:
        """Raises ConnectionError where nobody answers who is a leader."""
        try:
            super().__init__(environment, master_host, master_port)
        except ConnectionError:
            self.greenlet.kill(
                timeout=_ENDING_S
            )  # first of all, since they would go on reading from a socket that is closed
            self.client.socket.context.destroy(linger=0)
            raise


def main() -> None:
    """Exit codes: 0 after a job or a request to end, 1 where no leader was found in time."""
    options = _options()
    logging.getLogger("locust").setLevel(logging.ERROR)
    runners.MASTER_HEARTBEAT_TIMEOUT = int(SILENT_S)
    runners.CONNECT_RETRY_COUNT = 2
    if options.cpu is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.cpu})
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, _say_goodbye)
    if options.leash:
        watcher: Any = gevent.get_hub().loop.io(0, 1)
        watcher.start(lambda: os._exit(0))  # the leader is gone: nobody is left to answer to
    sys.exit(_work(options))


def _work(options: argparse.Namespace) -> int:
    """Serve one leader after the other; returns an exit code. The patience is with the search for each anew."""
    deadline, met = time.monotonic() + options.patience, ""
    while _leader_is_up(options.master, options.port, deadline):
        served = _serve(options)
        if served is None:
            met = "; somebody else listens there"
            if time.monotonic() > deadline:
                break
        else:
            if options.once and served:
                return 0
            if served:
                print("it is over; looking for the next one", flush=True)
            deadline, met = time.monotonic() + options.patience, ""
        gevent.sleep(_PAUSE_S)
    print(f"no leader at {options.master}:{options.port} within {options.patience:g} s{met}", file=sys.stderr)
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--master", required=True, metavar="HOST")
    parser.add_argument("--port", type=int, default=5557)
    parser.add_argument("--cpu", type=int, help="the CPU to run on")
    parser.add_argument(
        "--patience", type=float, default=600.0, metavar="SECONDS", help="how long to look for a leader"
    )
    parser.add_argument("--allow-host", action="append", default=[], metavar="HOST", help="may be loaded too")
    parser.add_argument("--any-host", action="store_true", help="whatever the leader names may be loaded")
    parser.add_argument("--once", action="store_true", help="end after one job")
    parser.add_argument("--leash", action="store_true", help="end at once when standard input ends")
    return parser.parse_args()


def _leader_is_up(host: str, port: int, deadline: float) -> bool:
    """Whether somebody listens there before `deadline`, on time.monotonic(): a leader, or not."""
    while True:
        try:
            family, kind, _, _, place = gevent.socket.getaddrinfo(host, port, type=gevent.socket.SOCK_STREAM)[0]
            with RealSocket(family, kind) as probe:
                probe.settimeout(1.0)
                probe.connect(place)
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
            gevent.sleep(_LOOK_EVERY_S)


def _say_goodbye() -> None:
    """The leader is told, rather than left to find out."""
    for runner in _SERVED:
        runner.send_message("quit")
        gevent.sleep(_GOODBYE_S)
    os._exit(0)


def _serve(options: argparse.Namespace) -> bool | None:
    """One leader, from hello to its goodbye or its silence; whether it gave a job, or None where who listens there is no leader."""
    environment = Environment(user_classes=[])
    try:
        runner: Any = _Runner(environment, options.master, options.port)
    except ConnectionError:
        return None
    environment.runner = runner
    hand = Hand(lambda answer: runner.send_message(ANSWER, answer), None if options.any_host else options.allow_host)
    jobs = []

    def ordered(msg: Any, **_: Any) -> None:
        if msg.data.get("do") == "job":
            jobs.append(True)
            print(f"a job from {options.master}:{options.port}", flush=True)
        hand.order(msg.data)

    runner.register_message(ORDER, ordered)
    _SERVED.append(runner)
    hand.introduce()
    runner.greenlet.join()
    hand.close()
    _SERVED.clear()
    runner.client.socket.context.destroy(linger=0)
    return bool(jobs)


if __name__ == "__main__":
    main()
