"""The engine under orders: one Locust user runs the whole job, and Locust stops when it is done."""

import gc
import logging
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust import User, task
from locust.env import Environment

from loadtests import job as job_file
from loadtests import results
from loadtests.control import Control, Stopped, emit, take_stdout
from loadtests.errors import LoadError
from loadtests.session import Session
from loadtests.stats_feed import feed, feed_beyond
from loadtests.workers.leader import Leader

BAD_JOB, FAILED = 2, 1
"""Exit codes."""
_WRITING_S = 30.0
"""The longest that writing the files may take after a signal."""


class JobRun:
    """A job from its file to its results. Exits the process with `BAD_JOB` where the job is wrong."""

    def __init__(self, path: Path) -> None:
        self._out_fd = take_stdout()
        try:
            job = job_file.read(path)
            self.session = Session(job) if job.workers is None else Leader(job)
        except LoadError as error:
            emit(self._out_fd, "error", message=str(error))
            sys.exit(BAD_JOB)
        self.finished = Event()
        self._greenlet: gevent.Greenlet | None = None
        self._measuring = True

    def run(self, environment: Environment) -> None:
        """Run the job in the calling greenlet, feed Locust's statistics, write the files, and set Locust's exit code."""
        self._greenlet = gevent.getcurrent()
        for signum in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(signum, self.stop)
        control = Control(out_fd=self._out_fd, in_fd=0, stop=self.stop)
        environment.process_exit_code = 0
        gc.collect()
        gc.freeze()  # what is there stays: else each full collection would look through it, for some 30 ms
        try:
            measured = self.session.run(control)
            self._measuring = False
            job, table = self.session.job, results.Table(measured)
            for number, target in enumerate(job.targets):
                rows = table.rows[table.measuring & (table.target == number)]
                feed(environment.stats, rows, name=target.id, method=measured.request.method)
                if (beyond := measured.recorder.beyond) is not None:
                    feed_beyond(
                        environment.stats,
                        beyond,
                        table.windows,
                        target=number,
                        name=target.id,
                        method=measured.request.method,
                    )
            results.write(job, measured, table)
            control.emit("done", stopped=measured.stopped)
        except Stopped:
            control.emit("done", stopped=True)
        except LoadError as error:
            environment.process_exit_code = BAD_JOB
            control.emit("error", message=str(error))
        except Exception as error:
            environment.process_exit_code = FAILED
            control.emit("error", message=f"{type(error).__name__}: {error}")
            traceback.print_exc()
        finally:
            control.close()
            self.finished.set()

    def stop(self) -> None:
        """Stop measuring at once, and keep what was recorded. May be called at any time, and more than once."""
        if self._measuring and self._greenlet is not None:
            self._measuring = False
            self._greenlet.kill(Stopped, block=False)

    def finish(self) -> None:
        """Locust is ending, perhaps at a signal: stop, and wait until what was recorded is written."""
        self.stop()
        self.finished.wait(timeout=_WRITING_S)


class JobUser(User):
    """Runs the job as its only task, then ends the Locust run."""

    run_of_job: JobRun | None = None
    """Set by the locustfile."""

    @task
    def drive(self) -> None:
        """Blocks until the job is done."""
        if self.run_of_job is not None:
            self.run_of_job.run(self.environment)
        if self.environment.runner is not None:
            self.environment.runner.quit()


def prepare(environment: Environment, path: Path) -> JobRun:
    """Make this Locust process run the job in `path` and nothing else: one user, no tables on the console, output for events only."""
    run = JobRun(path)
    JobUser.run_of_job = run
    environment.user_classes[:] = [JobUser]
    options: Any = environment.parsed_options
    options.only_summary = True
    # The errors of a journey's own code are told once each (see `Troupe`), not with a traceback for every time.
    for name in ("locust.stats_logger", "locust.user.task", "locust.user.users"):
        logging.getLogger(name).disabled = True
    logging.getLogger("locust").setLevel(logging.WARNING)
    return run
