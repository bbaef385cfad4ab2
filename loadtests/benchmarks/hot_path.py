"""What each part of the hot path costs: the engine at full rate in this process, looked at again and again by its CPU time.

The timer's signal (SIGPROF) is seen between two steps of the interpreter, so what a call into C takes, a system call included, counts for
the line that makes it. What runs between callbacks (waiting in epoll, libev, gevent) is seen in gevent, or in a callback's first line.
"""

import argparse
import linecache
import resource
import signal
import tempfile
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from loadtests.job import Inline, Job, Target
from loadtests.session import Session

EVERY_S = 0.001
"""Asked for; the kernel looks at CPU timers at its ticks, every 4 ms or so."""
LOOP, OTHER = "event loop: waiting, dispatch", "other"
PARTS: tuple[tuple[str, str, str], ...] = (
    ("send, a system call", "Connection._send_request", "self._send("),
    ("receive, a system call", "Connection._readable", "self._recv"),
    ("read the clock", "", "clock()"),
    ("read the head, count the body", "Response.", ""),
    ("read the head, count the body", "Heads.", ""),
    ("judge the answer", "Expectation.", ""),
    ("record the request", "Recorder.", ""),
    ("record the request", "Beyond.", ""),
    ("record the request", "Account.", ""),
    ("record the request", "right_rows", ""),
    ("decide what is next", "ClosedLoop.", ""),
    ("the connection's own steps", "Connection.", ""),
)
"""Part, beginning of the function's qualified name, and what its line holds; the first that fits counts."""
_CALLBACKS = ("Connection._readable", "Connection._send_rest")


class _Silent:
    """A control that says yes to everything."""

    def emit(self, event: str, **fields: Any) -> None:
        pass

    def wait(self, word: str) -> None:
        pass


def part_of(code: CodeType, line: int) -> str:
    """The part that a line of a function belongs to."""
    if (code.co_qualname in _CALLBACKS and line == code.co_firstlineno) or "gevent" in Path(code.co_filename).parts:
        return LOOP
    text = linecache.getline(code.co_filename, line)
    return next((part for part, name, held in PARTS if code.co_qualname.startswith(name) and held in text), OTHER)


def look_while(job: Job) -> tuple[Counter[str], int, dict[str, float]]:
    """Run `job`; returns how often each part was seen, how many requests ended, and CPU seconds by `user` and `system`."""
    seen: Counter[tuple[CodeType, int]] = Counter()

    def look(signum: int, frame: FrameType | None) -> None:
        if frame is not None:
            seen[frame.f_code, frame.f_lineno] += 1

    session = Session(job)
    before = resource.getrusage(resource.RUSAGE_SELF)
    previous = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
    try:
        session.run(_Silent())  # type: ignore[arg-type]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
    after = resource.getrusage(resource.RUSAGE_SELF)
    parts: Counter[str] = Counter()
    for (code, line), count in seen.items():
        parts[part_of(code, line)] += count
    spent = {"user": after.ru_utime - before.ru_utime, "system": after.ru_stime - before.ru_stime}
    return parts, session.recorder.rows, spent


def text(parts: Counter[str], requests: int, spent: dict[str, float], seconds: float) -> str:
    """The table, within 80 columns."""
    cpu_us = 1e6 * sum(spent.values()) / requests
    samples = parts.total()
    lines = [
        f"hot path: {cpu_us:.2f} us of CPU a request, {spent['system'] / sum(spent.values()):.0%} of it in the kernel, "
        f"at {requests / seconds:,.0f}/s",
        f"{'part':<34} {'us':>6} {'share':>6}   of {samples:,} samples",
    ]
    lines += [f"{part:<34} {cpu_us * n / samples:>6.2f} {n / samples:>6.1%}" for part, n in parts.most_common()]
    return "\n".join(lines)


def main() -> None:
    """Load 127.0.0.1:PORT and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--keep", type=int, default=2_000_000, help="requests kept one by one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            version=1, mode="closed", measure_s=options.seconds, request=Inline(path="/"), slices_path=None, requests_path=None,
            result_path=Path(folder) / "result.json", keep_requests=options.keep,
            targets=(Target(id="nginx", host="127.0.0.1", port=options.port, connections=options.connections),),
        )  # fmt: skip
        print(text(*look_while(job), options.seconds), flush=True)


if __name__ == "__main__":
    main()
