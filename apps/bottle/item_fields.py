"""What a client sends for an item: the body read as JSON, and the faults of its fields."""

import json
import re
from typing import Any

NAME_LENGTH_MAX = 100
QUANTITY_MAX = 1_000_000

# Control characters, which no name needs and PostgreSQL's text cannot all hold, and halves of surrogate pairs.
NOT_PLAIN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# Python's parser would take NaN and Infinity.
DECODER = json.JSONDecoder(parse_constant=no_constant)


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that `body` is, or None where it is anything else."""
    try:
        value = DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def item_faults(value: dict[str, Any]) -> dict[str, str]:
    """What is wrong with the fields, by name; empty where nothing is."""
    faults = {"name": name_fault(value), "quantity": quantity_fault(value)}
    return {field: fault for field, fault in faults.items() if fault}


def name_fault(value: dict[str, Any]) -> str | None:
    if "name" not in value:
        return "is required"
    name = value["name"]
    if not isinstance(name, str):
        return "must be a string"
    if not 1 <= len(name) <= NAME_LENGTH_MAX:
        return f"must have 1 to {NAME_LENGTH_MAX} characters"
    return "must be plain text" if NOT_PLAIN.search(name) else None


def quantity_fault(value: dict[str, Any]) -> str | None:
    if "quantity" not in value:
        return "is required"
    quantity = value["quantity"]
    if type(quantity) is not int:  # isinstance() would let True and False pass
        return "must be an integer"
    return None if 0 <= quantity <= QUANTITY_MAX else f"must be from 0 to {QUANTITY_MAX}"
