"""Which tests are unit tests: those that start no server, no database and no process; `make test-unit` runs only them."""

import os
import signal
import socket
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# Servers and threads of tests are real; only the engine's own process is patched. For this import alone, since processes inherit it.
os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
import locust  # noqa: F401

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]

# An example takes as long as the machine lets it, and what is found once is found again.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tests")

# A shell that starts something in the background without job control has it ignore Ctrl-C, and whatever that starts inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# nohup has a hang-up ignored, which is inherited too, and tests send one. The main process goes on ignoring it, as was asked.
if "PYTEST_XDIST_WORKER" in os.environ:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

HERE = Path(__file__).parent
SERVICES = (
    "stacks/", "containers/", "browser/",
    "loadtests/test_engine_", "bench/test_verify_", "bench/test_database", "bench/test_session", "bench/test_launch",
    "bench/test_load", "bench/test_solo", "bench/test_sample", "bench/test_doctor", "bench/test_bootstrap", "bench/test_environments",
    "bench/test_languages", "bench/test_cli", "bench/test_viewer", "bench/test_compose", "bench/test_whoami",
    "bench/test_companions", "bench/test_upstream", "bench/test_crash",
)  # fmt: skip
SIMULATIONS = ("analysis/test_stats_simulation", "analysis/test_stats_stopping")
MARKS = {
    "services": SERVICES, "simulations": SIMULATIONS, "stacks": ("stacks/",), "browser": ("browser/",), "containers": ("containers/",),
}  # fmt: skip
"""By mark the files in which every test has it; `services` are some tests of other files too."""

LONGEST = (
    "stacks/test_main_job", "loadtests/test_engine_hosts", "loadtests/test_engine_process", "bench/test_solo.py",
    "bench/test_solo_command", "loadtests/test_engine_workers", "loadtests/test_engine_beside", "analysis/test_stats_stopping",
    "analysis/test_stats_simulation", "bench/test_run", "analysis/test_page", "loadtests/test_engine_journey", "bench/test_languages",
    "bench/test_session", "bench/test_database", "bench/test_launch",
)  # fmt: skip
"""Files that take longest, in that order: each goes to one process whole, and the last one to begin should be a short one."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files in which `-m` leaves no test need not be read: `not services`, or `stacks`, joined by `and`."""
    terms = str(config.option.markexpr).split(" and ")
    name = _name(collection_path)
    for mark, begins in MARKS.items():
        inside = name.startswith(begins)
        if f"not {mark}" in terms and inside:
            return True
        if mark != "services" and mark in terms and not inside and not any(one.startswith(name) for one in begins):
            return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _name(item.path).startswith(SERVICES):
            item.add_marker(pytest.mark.services)
        if _name(item.path).startswith(SIMULATIONS):
            item.add_marker(pytest.mark.simulations)
    items.sort(key=lambda item: _turn(item.path))


@cache
def _turn(path: Path) -> int:
    return next((at for at, one in enumerate(LONGEST) if _name(path).startswith(one)), len(LONGEST))


@cache
def _name(path: Path) -> str:
    """As the lists above have it; that of a folder ends in a slash, that of the top is empty."""
    name = path.relative_to(HERE).as_posix()
    return "" if name == "." else f"{name}/" if path.is_dir() else name


@pytest.fixture
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked for a name, which may take long where there is no network; addresses are found as ever."""
    ask = socket.getaddrinfo

    def known(host: str, *how: Any, **more: Any) -> Any:
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ask(host, *how, **more)

    monkeypatch.setattr(socket, "getaddrinfo", known)
