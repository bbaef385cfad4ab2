"""`bench load --beside`: slow or idle clients beside the requests whose latency is read, as asked for and as told."""

from collections.abc import Mapping
from typing import Any, get_args

from bench.load import Beside, BesideKind
from bench.manifest import nearest
from bench.model import BenchError

_KINDS = get_args(BesideKind)
_OF_KINDS = {"rate_bytes_s": ("readers", "slow-heads", "slow-bodies"), "bytes": ("slow-heads", "slow-bodies")}
_OPTIONS = {
    "rate_bytes_s": "--beside-rate", "bytes": "--beside-bytes", "receive_buffer_bytes": "--beside-buffer", "ramp_s": "--beside-ramp",
    "settle_s": "--beside-settle", "finish_s": "--beside-finish",
}  # fmt: skip
_METHODS = ("GET", "POST", "PUT")


def parse(text: str | None, *, path: str, method: str | None, **values: float | None) -> Beside | None:
    """The clients that `--beside KIND=COUNT` and the options of `_OPTIONS` (by key) ask for; None without. Raises BenchError."""
    given = {key: value for key, value in values.items() if value is not None}
    if text is None:
        if given or method:
            option = _OPTIONS[next(iter(given))] if given else "--beside-method"
            raise BenchError(
                f"{option} says how clients beside are; say which and how many with --beside, such as readers=64"
            )
        return None
    kind, _, count = text.partition("=")
    if kind not in _KINDS:
        raise BenchError(
            f"--beside {text}: unknown kind '{kind}'.{nearest(kind, list(_KINDS))} Kinds: {', '.join(_KINDS)}"
        )
    if not count.isdecimal() or not int(count):
        raise BenchError(f"--beside {text}: expected KIND=COUNT, such as {kind}=64")
    for key, value in given.items():
        if not 0 < value < float("inf"):
            raise BenchError(f"{_OPTIONS[key]} must be above 0, got {value:g}")
        if kind not in _OF_KINDS.get(key, _KINDS):
            raise BenchError(f"{_OPTIONS[key]} is for {' and '.join(_OF_KINDS[key])}, not for {kind}")
    if method is not None and method not in _METHODS:
        raise BenchError(f"--beside-method must be one of {', '.join(_METHODS)}, got '{method}'")
    if not path.startswith("/") or not path.isascii() or any(letter.isspace() for letter in path):
        raise BenchError(f"--beside-path {path}: expected a path from / on, ASCII without blanks")
    numbers: Any = {key: int(value) if key == "bytes" or "buffer" in key else value for key, value in given.items()}
    return Beside(kind=kind, count=int(count), path=path, method=method, **numbers)  # type: ignore[arg-type]


def text(found: Mapping[str, Any]) -> list[str]:
    """For a person; within 80 columns, but for the path."""
    kind, count, ended = found["kind"], found["count"], found["outcomes"]
    rate = f" at {found['rate_bytes_s']:,.0f} bytes/s each" if found["rate_bytes_s"] else ""
    when = f" after {found['settled_s']:.2f} s" if found["settled_s"] is not None else "; the deadline came first"
    lines = [
        f"  beside: {count:,} x {kind}{rate}, {found['path']}",
        f"    connected {found['connected']:,}, had a first byte {found['first_byte']:,}",
        f"    in place {found['settled']:,}{when}",
        f"    held through all of the measuring: {found['held']:,}",
        f"    in the end: {', '.join(f'{number:,} {outcome}' for outcome, number in ended.items())}",
    ]
    lines += [f"    refused {number:,}: {why}" for why, number in found["refused"].items()]
    for outcome in ("truncated", "closed", "rejected", "broken"):
        held_s = found["held_s"].get(outcome)
        if held_s:
            lines.append(
                f"    {outcome} after {held_s['min']:.2f} to {held_s['max']:.2f} s, half by {held_s['p50']:.2f} s"
            )
    arrival = found["arrival"]
    failed = ", ".join(f"{number:,} x {name}" for name, number in arrival["errors"].items()) or "none"
    lines.append(f"    while they arrived: {arrival['requests']:,} answered, failed: {failed}")
    if arrival["latency_ms"] and arrival["latency_ms"]["p50"] is not None:
        lines.append(f"      p50 {arrival['latency_ms']['p50']:.2f} ms, max {arrival['latency_ms']['max']:.2f} ms")
    if found["held"] < found["settled"]:
        lines.append("    some that were in place had ended before: their server ended them, or, if")
        lines.append("    they completed, they were not slow enough (--beside-rate, a longer answer)")
    return lines
