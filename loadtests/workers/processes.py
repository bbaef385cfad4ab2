"""The workers that a leader starts on its own machine: they end with it, however it ends."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

from loadtests.errors import LoadError
from loadtests.workers.words import TOKEN

STARTING_S = 30.0
"""For them to start Python and Locust."""
_ROOT = Path(__file__).resolve().parents[2]
_GRACE_S = 2.0
_KILL_GRACE_S = 30.0
"""How long it is waited for after SIGKILL, which nothing can refuse but a busy machine can put off."""


def start(cpu: int, port: int, token: str) -> "subprocess.Popen[bytes]":
    """One that is bound to `cpu` and finds its leader at `port`. It ends as soon as its standard input does."""
    argv = [sys.executable, "-m", "loadtests.workers", "--master", "127.0.0.1", "--port", str(port), "--cpu", str(cpu),
            "--once", "--leash", "--any-host", "--patience", str(STARTING_S)]  # fmt: skip
    return subprocess.Popen(argv, cwd=_ROOT, stdin=subprocess.PIPE, env={**os.environ, TOKEN: token})


def refuse_busy(host: str, port: int) -> None:
    """Raises LoadError where somebody listens there; Locust would end the process without a word to whoever waits for one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise LoadError(f"workers: cannot listen on {host}:{port}: {error.strerror or error}") from None


def how_it_ended(process: "subprocess.Popen[bytes]") -> str:
    """In words."""
    code = process.returncode
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def end(process: "subprocess.Popen[bytes]") -> None:
    """Let go of it, and make sure that it is gone."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # what was measured is not lost for it
            process.wait(_KILL_GRACE_S)
