"""Judgements of one answer, which many rules share. All are pure."""

import json
from collections.abc import Collection
from email.utils import parsedate_to_datetime

from bench.verify.report import shown
from bench.verify.rule import BrokenError
from bench.verify.wire import Answer

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"
BYTES = "application/octet-stream"

FORBIDDEN = ("set-cookie", "etag", "content-encoding")


def header_fault(answer: Answer, omits: Collection[str] = ()) -> str | None:
    """What is wrong with the headers that every response has, but for those (in lower case) that the server omits."""
    if "server" not in omits and not any(answer.values("server")):
        return "no Server"
    if "date" not in omits:
        dates = answer.values("date")
        if len(dates) != 1:
            return f"{len(dates) or 'no'} Date"
        try:
            parsedate_to_datetime(dates[0])
        except ValueError:
            return f"Date: {dates[0]}"
    lengths = answer.values("content-length")
    codings = answer.values("transfer-encoding")
    if answer.status == 204:
        # RFC 9110, section 8.6: it has no length; many servers write 0 all the same.
        if not codings and lengths in ([], ["0"]):
            return None
    elif ([coding.lower() for coding in codings] == ["chunked"] and not lengths) or (len(lengths) == 1 and not codings):
        return None
    return f"Content-Length: {', '.join(lengths) or 'none'}; Transfer-Encoding: {', '.join(codings) or 'none'}"


def extra_fault(answer: Answer, allowed: Collection[str] = ()) -> str | None:
    """The first header, if any, that the contract forbids."""
    for name, value in answer.headers:
        if name.lower() in FORBIDDEN and name.lower() not in allowed:
            return f"{name}: {value}"
    return None


def expect_status(answer: Answer, *allowed: int) -> None:
    if answer.status not in allowed:
        raise BrokenError(shown(f"status {answer.status}, body {_start(answer.body)}"))


def expect_type(answer: Answer, content_type: str) -> None:
    types = answer.values("content-type")
    if types != [content_type]:
        raise BrokenError(shown(f"Content-Type: {', '.join(types) or 'none'}"))


def expect_body(answer: Answer, body: bytes) -> None:
    """Status 200 and exactly these bytes."""
    expect_status(answer, 200)
    if answer.body != body:
        raise BrokenError(shown(difference(answer.body, body)))


def expect_json(answer: Answer) -> object:
    """The value of a JSON body that is written exactly as the contract writes JSON."""
    text = decoded(answer.body)
    try:
        value: object = json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise BrokenError(shown(f"not JSON ({error}): {_start(answer.body)}")) from error
    exact = as_json(value)
    if answer.body != exact:
        raise BrokenError(shown(f"not as json.dumps writes it: {difference(answer.body, exact)}"))
    return value


def expect_reason(answer: Answer, name: str) -> None:
    """A refusal of the strict parameter `name`: 400 and a JSON reason that starts with its name."""
    expect_status(answer, 400)
    expect_type(answer, JSON)
    value = expect_json(answer)
    reason = value.get("error") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(reason, str) or not reason.startswith(f"{name}: ") or len(reason) <= len(name) + 2:
        raise BrokenError(shown(answer.body))


def as_json(value: object) -> bytes:
    """`value` as the contract writes JSON: compact, not escaped, UTF-8."""
    # Lone surrogates cannot be UTF-8: they fail the comparison rather than raise.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BrokenError(shown(f"not UTF-8 at byte {error.start}: {_start(body)}")) from error


def difference(got: bytes, expected: bytes) -> str:
    """Where two bodies part, in words; short bodies are shown whole."""
    if len(got) <= 120:
        return _start(got) or "an empty body"
    at = parting(got, expected)
    if at is None:
        return f"{len(got)} bytes instead of {len(expected)}"
    return f"{len(got)} bytes, from byte {at} on: {_start(got[at:])}"


def parting(got: bytes, expected: bytes, *, step: int = 65_536) -> int | None:
    """The first offset at which both have a byte, and not the same; None where one begins with the other."""
    common = min(len(got), len(expected))
    for start in range(0, common, step):
        ours, theirs = got[start : min(start + step, common)], expected[start : min(start + step, common)]
        if ours != theirs:
            return start + next(i for i, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
    return None


def _start(body: bytes) -> str:
    return shown(body[:160], limit=120) or "(empty)"


def _not_json(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")
