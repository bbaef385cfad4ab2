"""Rules for /static: the three files, and the addresses that must not lead to others."""

import hashlib
from functools import partial

from bench.static import FILES
from bench.verify.judge import difference, expect_status
from bench.verify.report import shown
from bench.verify.rule import BrokenError, NotCheckedError, Probe, Rule, require

STATIC_FILES = tuple(FILES.items())

OUTSIDE = (
    "/static/../nope",
    "/static/../../../../../../../../etc/passwd",
    "/static/%2e%2e/nope",
    "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/static/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/static/%2Fetc%2Fpasswd",
    "/static/1kb.bin%00.txt",
    "/static/",
)
"""Sent as they are written; clients usually resolve the dots before they send."""


def _is_file(name: str, length: int, probe: Probe) -> None:
    answer = probe.once(f"/static/{name}")
    expect_status(answer, 200)
    require(len(answer.body) == length, f"{len(answer.body)} bytes")


def _is_same_file(name: str, probe: Probe) -> None:
    if probe.static_dir is None:
        raise NotCheckedError("needs the files: no static_dir was given")
    file = probe.static_dir / name
    if not file.is_file():
        raise NotCheckedError(f"there is no {file}")
    answer = probe.once(f"/static/{name}")
    expect_status(answer, 200)
    content = file.read_bytes()
    if hashlib.sha256(answer.body).digest() != hashlib.sha256(content).digest():
        raise BrokenError(shown(difference(answer.body, content)))


def _is_refused(target: str, allowed: tuple[int, ...], probe: Probe) -> None:
    expect_status(probe.get(target), *allowed)


RULES: tuple[Rule, ...] = (
    *(
        Rule(
            endpoint="static",
            name="length",
            expected=f"GET /static/{name}: {length} bytes",
            check=partial(_is_file, name, length),
        )
        for name, length in STATIC_FILES
    ),
    *(
        Rule(
            endpoint="static",
            name="content",
            expected=f"GET /static/{name}: the same bytes as the file in static_dir",
            check=partial(_is_same_file, name),
        )
        for name, _ in STATIC_FILES
    ),
    Rule(
        endpoint="static",
        name="404",
        expected="GET /static/nope.bin: status 404",
        check=partial(_is_refused, "/static/nope.bin", (404,)),
    ),
    *(
        Rule(
            endpoint="static",
            name="outside",
            expected=f"GET {target}: status 404, 403 or 400",
            check=partial(_is_refused, target, (404, 403, 400)),
        )
        for target in OUTSIDE
    ),
)
