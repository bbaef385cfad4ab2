"""`python -m tests`: pytest with the same arguments, of which no process and no temporary file is left.

Tests start real servers in processes of their own, and a signal may end the process that would have ended them. On Linux orphans become
children of this one (a Session makes it their subreaper), so it finds them all. Where it is killed outright, the next command of this
checkout finds what its session's id was handed down to, as it does for any command.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.session import MARKER, TAG, Session, recover, stop_on_signals

GRACE_S = 5.0
"""How long what is ending has got to be gone, before it is ended, and how long it then gets before it is killed."""
LISTED = 8
"""Of a folder's files so many are named at most."""
TESTS_OWN = "t"
"""Where pytest keeps the folders that it gives to tests. A short name: the path of a unix socket has at most 107 bytes."""


def main(arguments: list[str]) -> int:
    """Exit codes are pytest's; 1 also where all passed, but left something behind."""
    stop_on_signals()
    left: list[str] = []
    try:
        with Session() as session:
            session.enter(_nothing_left(session.scratch, left))
            os.environ |= {"TMPDIR": str(session.scratch), TAG: session.id}
            tempfile.tempdir = None  # it was asked for already, and is remembered
            code = int(pytest.main([f"--basetemp={session.scratch / TESTS_OWN}", *arguments]))
    except KeyboardInterrupt:
        return int(pytest.ExitCode.INTERRUPTED)
    if left and code == pytest.ExitCode.OK:
        print("left behind by tests that passed:", *left, sep="\n  ", file=sys.stderr)
        return int(pytest.ExitCode.TESTS_FAILED)
    return code


@contextlib.contextmanager
def _nothing_left(scratch: Path, left: list[str]) -> Iterator[None]:
    """At its end ends every process below this one, and tells `left` of these and of files in `scratch`, which the session removes."""
    try:
        yield
    finally:
        deadline = time.monotonic() + GRACE_S
        while (below := _below()) and time.monotonic() < deadline:
            psutil.wait_procs(below, timeout=0.1)
        left += [_named(process) for process in below]
        for ask in (psutil.Process.terminate, psutil.Process.kill):
            for process in (below := _below()):
                with contextlib.suppress(psutil.Error):
                    ask(process)
            psutil.wait_procs(below, timeout=GRACE_S)
        left += recover()  # of commands that were ended here in the middle of ending what was theirs
        left += [_listed(path) for path in sorted(scratch.iterdir()) if path.name not in (TESTS_OWN, MARKER)]


def _below() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _listed(path: Path) -> str:
    """With what is in it, which tells whose it is."""
    inside = sorted(str(one.relative_to(path)) for one in path.rglob("*") if not one.is_dir())
    return f"{path}: {len(inside)} files {' '.join(inside[:LISTED])}"


def _named(process: psutil.Process) -> str:
    try:
        return f"process {process.pid}: {' '.join(process.cmdline())}"
    except psutil.Error:
        return f"process {process.pid}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
