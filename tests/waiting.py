"""What tests wait for, and what they cannot do without: neither without an end nor in silence."""

import os
import time
from collections.abc import Callable
from typing import NoReturn

import pytest

PATIENCE_S = 60.0
"""Far more than anything takes on a busy machine: who waits longer waits in vain."""


def until(holds: Callable[[], object], *, nap: Callable[[float], object] = time.sleep) -> None:
    """Wait for a condition. `nap` is `gevent.sleep` where what is waited for runs in this thread's event loop."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain"
        nap(0.005)


def missing(what: str) -> NoReturn:
    """Skip a test that cannot be done here; in CI, where all must be there, it fails."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
