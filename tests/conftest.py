"""Which tests are unit tests: those that start no server, no database and no process; `make test-unit` runs only them."""

import os
import signal
from pathlib import Path

import pytest

# Servers and threads of tests are real; only the engine's own process is patched. For this import alone, since processes inherit it.
os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
import locust  # noqa: F401

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]

# A shell that starts something in the background without job control has it ignore Ctrl-C, and whatever that starts inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent
SERVICES = (
    "stacks/", "containers/", "browser/",
    "loadtests/test_engine_", "bench/test_verify_", "bench/test_database", "bench/test_session", "bench/test_launch",
    "bench/test_load", "bench/test_solo", "bench/test_sample", "bench/test_doctor", "bench/test_bootstrap", "bench/test_environments",
    "bench/test_languages", "bench/test_cli", "bench/test_viewer", "bench/test_compose", "bench/test_whoami",
    "bench/test_companions", "bench/test_upstream", "bench/test_crash",
    "analysis/test_report_command",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if str(item.path.relative_to(HERE)).startswith(SERVICES):
            item.add_marker(pytest.mark.services)
