"""Bodies for /api/items that must be refused, and with what answer."""

from dataclasses import dataclass

from bench.verify.judge import JSON, as_json

LONGEST_BODY_BYTES = 4096
VALID = as_json({"name": "Pencil, HB", "quantity": 12})
LONGEST = VALID.ljust(LONGEST_BODY_BYTES)
"""Blanks may follow a JSON value, so this one is valid."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A body, and the answer to it."""

    rule: str
    status: int
    body: bytes
    answer: bytes
    media_type: str | None = JSON


def _refusals(rule: str, status: int, reason: str, bodies: tuple[bytes, ...]) -> tuple[Refusal, ...]:
    answer = as_json({"error": f"body: {reason}"})
    return tuple(Refusal(rule=rule, status=status, body=body, answer=answer) for body in bodies)


MEDIA_TYPES = (None, "text/plain", "application/x-www-form-urlencoded", "application/json5", "text/json")

MALFORMED = (
    b"",
    b" ",
    b"not JSON",
    b"null",
    b"7",
    b'"name"',
    b"[]",
    b"[" + VALID + b"]",
    VALID[:-1],
    VALID + b"}",
    VALID[:-1] + b",}",
    VALID.replace(b'"', b"'"),
    VALID.replace(b"12", b"NaN"),
    VALID.replace(b"12", b"-Infinity"),
    VALID.replace(b"12", b"012"),
    VALID.replace(b"12", b"0x12"),
    VALID.replace(b"Pencil", b"Pen\ncil"),
    VALID.replace(b"Pencil", b"Pencil\xff"),
    VALID.replace(b"Pencil", b"Penci\\l"),
    b"\xef\xbb\xbf" + VALID,
    VALID.decode().encode("utf-16"),
    b"[" * 3000,
    b'{"name":' * 400,
)

REQUIRED = "is required"
TEXT = "must be a string"
LENGTH = "must have 1 to 100 characters"
PLAIN = "must be plain text"
INTEGER = "must be an integer"
RANGE = "must be from 0 to 1000000"

INVALID: tuple[tuple[bytes, dict[str, str]], ...] = (
    (b"{}", {"name": REQUIRED, "quantity": REQUIRED}),
    (b'{"Name":"x","QUANTITY":1}', {"name": REQUIRED, "quantity": REQUIRED}),
    (b'{"quantity":-1}', {"name": REQUIRED, "quantity": RANGE}),
    (b'{"quantity":"1","name":""}', {"name": LENGTH, "quantity": INTEGER}),
    (b'{"name":"x","name":7,"quantity":1}', {"name": TEXT}),
    *(
        (b'{"name":%b,"quantity":1}' % name, {"name": reason})
        for name, reason in (
            (b"null", TEXT),
            (b"7", TEXT),
            (b'["x"]', TEXT),
            (b'""', LENGTH),
            (b'"' + b"x" * 101 + b'"', LENGTH),
            (b'"' + "😀".encode() * 101 + b'"', LENGTH),
            (b'"' + b"\\n" * 101 + b'"', LENGTH),
            (b'"a\\nb"', PLAIN),
            (b'"\\u0000"', PLAIN),
            (b'"\\u001f"', PLAIN),
            (b'"\x7f"', PLAIN),
            (b'"\\ud800"', PLAIN),
            (b'"\\ude00\\ud83d"', PLAIN),
        )
    ),
    *(
        (b'{"name":"x","quantity":%b}' % quantity, {"quantity": reason})
        for quantity, reason in (
            (b"null", INTEGER),
            (b"true", INTEGER),
            (b"false", INTEGER),
            (b'"5"', INTEGER),
            (b"[5]", INTEGER),
            (b"{}", INTEGER),
            (b"1.5", INTEGER),
            (b"5.0", INTEGER),
            (b"1e3", INTEGER),
            (b"-1", RANGE),
            (b"1000001", RANGE),
            (b"9" * 20, RANGE),
            (b"-" + b"9" * 4000, RANGE),
        )
    ),
)

REFUSED: tuple[Refusal, ...] = (
    *(
        Refusal(
            rule="415",
            status=415,
            body=VALID,
            media_type=media_type,
            answer=as_json({"error": "body: not application/json"}),
        )
        for media_type in MEDIA_TYPES
    ),
    *_refusals("413", 413, "longer than 4096 bytes", (LONGEST + b" ", VALID.ljust(65_536), b"x" * 5000)),
    *_refusals("malformed", 400, "not a JSON object", MALFORMED),
    *(Refusal(rule="422", status=422, body=body, answer=as_json({"errors": errors})) for body, errors in INVALID),
)
