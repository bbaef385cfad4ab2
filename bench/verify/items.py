"""Rules for /api/items, the resource that is listed, opened, created, edited and deleted.

Each rule makes the items that it needs and removes them; it leaves the others alone.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial

from bench.verify.item_bodies import LONGEST, LONGEST_BODY_BYTES, REFUSED, VALID, Refusal
from bench.verify.judge import JSON, as_json, difference, expect_json, expect_reason, expect_status, expect_type
from bench.verify.parameters import HUGE, NOT_INTEGERS
from bench.verify.report import shown
from bench.verify.rule import BrokenError, Probe, Rule, require, within
from bench.verify.wire import Answer, TransportError

NAME = "api/items"
PATH = "/api/items"
LIMIT, LIMIT_MAX = 20, 100
ID_MAX = 2_147_483_647

ABSENT = (str(ID_MAX), "9999999999")
"""The last id that the table can hold, which its sequence does not reach, and one beyond."""

NO_IDS = ("0", "007", "-1", "+1", "1.0", "abc", "12345678901", "%D9%A5", "%FF", "1%0A", "1/", "1/more")
NOT_FOUND = as_json({"error": "item: not found"})

NAMES = ("万年筆", 'a "b" <c> & \\ / \'', "😀" * 100, " ", "é", "e\u0301", "\u2028\x80", "%s; --")
MEDIA_TYPES = ("APPLICATION/JSON", "application/json;charset=utf-8", 'application/json ; a="b;c"')


@dataclass(frozen=True, kw_only=True)
class Item:
    id: int
    name: str
    quantity: int

    @property
    def body(self) -> bytes:
        return as_json(asdict(self))

    @property
    def target(self) -> str:
        return f"{PATH}/{self.id}"


def item_of(value: object) -> Item:
    """The item that an object of the contract stands for; BrokenError where it is not one."""
    if not isinstance(value, dict) or list(value) != ["id", "name", "quantity"]:
        raise BrokenError(shown(value))
    for key, kind in (("id", int), ("name", str), ("quantity", int)):
        require(type(value[key]) is kind, f"{key}: {value[key]!r}")
    return Item(**value)


def create(probe: Probe, body: bytes = VALID, media_type: str = JSON) -> Item:
    """Make an item, by any body that the contract allows."""
    answer = _send(probe, "POST", PATH, body, media_type)
    with within(f"POST {PATH}"):
        expect_status(answer, 201)
        expect_type(answer, JSON)
        item = item_of(expect_json(answer))
        locations = answer.values("location")
        require(locations == [item.target], f"id {item.id}, Location: {', '.join(locations) or 'none'}")
    return item


def _send(probe: Probe, method: str, target: str, body: bytes, media_type: str | None = JSON) -> Answer:
    return probe.wire.ask(method, target, body=body, headers=_typed(media_type))


def _send_early(probe: Probe, method: str, target: str, body: bytes, media_type: str | None = JSON) -> Answer:
    """As `_send`, where the answer may come before the body was read."""
    return probe.ask_early(method, target, body=body, headers=_typed(media_type))


def _typed(media_type: str | None) -> dict[str, str] | None:
    return {"Content-Type": media_type} if media_type else None


@contextmanager
def _made(probe: Probe, *wanted: tuple[str, int]) -> Iterator[list[Item]]:
    """Items that are gone afterwards."""
    items: list[Item] = []
    try:
        for name, quantity in wanted:
            items.append(create(probe, as_json({"name": name, "quantity": quantity})))
        yield items
    finally:
        for item in items:
            with suppress(TransportError):
                probe.wire.ask("DELETE", item.target)


def _expect(answer: Answer, status: int, body: bytes) -> None:
    """This status, application/json, and exactly these bytes."""
    with within(answer.asked):
        expect_status(answer, status)
        expect_type(answer, JSON)
        if answer.body != body:
            raise BrokenError(shown(difference(answer.body, body)))


def _creates(probe: Probe) -> None:
    with _made(probe, ("Pencil, HB", 12), ("x" * 100, 0), ("x", 1_000_000)) as items:
        require([item.name for item in items] == ["Pencil, HB", "x" * 100, "x"], f"names {items}")
        require([item.quantity for item in items] == [12, 0, 1_000_000], f"quantities {items}")
        require(len({item.id for item in items}) == 3, f"ids {[item.id for item in items]}")


def _opens(probe: Probe) -> None:
    with _made(probe, ("Ruler, 30 cm", 3), ("Eraser", 4)) as items:
        for item in items:
            _expect(probe.get(item.target), 200, item.body)


def _replaces(probe: Probe) -> None:
    with _made(probe, ("before", 1), ("beside", 2)) as (item, beside):
        new = replace(item, name="after", quantity=3)
        body = as_json({"quantity": 3, "colour": "red", "name": "after", "id": beside.id})
        _expect(_send(probe, "PUT", item.target, body), 200, new.body)
        _expect(probe.get(item.target), 200, new.body)
        _expect(probe.get(beside.target), 200, beside.body)


def _deletes(probe: Probe) -> None:
    with _made(probe, ("gone", 1), ("stays", 2)) as (item, stays):
        answer = probe.wire.ask("DELETE", item.target)
        with within(answer.asked):
            expect_status(answer, 204)
            require(answer.body == b"", answer.body)
        _expect(probe.get(item.target), 404, NOT_FOUND)
        _expect(probe.wire.ask("DELETE", item.target), 404, NOT_FOUND)
        _expect(probe.get(stays.target), 200, stays.body)


def _stores(probe: Probe) -> None:
    before = probe.database.items()
    with _made(probe, ("Nib", 5)) as (item,):
        _expect_rows(probe, before | {item.id: ("Nib", 5)})
        _send(probe, "PUT", item.target, as_json({"name": "Füller", "quantity": 6}))
        _expect_rows(probe, before | {item.id: ("Füller", 6)})
    _expect_rows(probe, before)


def _expect_rows(probe: Probe, expected: dict[int, tuple[str, int]]) -> None:
    got = probe.database.items()
    for key in sorted(got.keys() | expected.keys()):
        require(
            got.get(key) == expected.get(key), f"id {key} in the table: {got.get(key)}, expected: {expected.get(key)}"
        )


def _listed(probe: Probe, query: str) -> list[Item]:
    answer = probe.get(PATH + query)
    with within(answer.asked):
        expect_status(answer, 200)
        value = expect_json(answer)
        if not isinstance(value, list):
            raise BrokenError(f"no list: {shown(answer.body, limit=160)}")
        return [item_of(item) for item in value]


def _lists_by_id(probe: Probe) -> None:
    with _made(probe, *((f"Item {number}", number) for number in range(4))) as items:
        edited = replace(items[1], name="Edited")
        # An edited row moves to the table's end: without ORDER BY it is found there.
        _send(probe, "PUT", edited.target, as_json({"name": edited.name, "quantity": edited.quantity}))
        all_of_them = [items[0], edited, *items[2:]]
        for after, limit, expected in (
            (items[0].id - 1, 3, all_of_them[:3]),
            (items[1].id, 100, all_of_them[2:]),
            (ID_MAX, 1, []),
        ):
            query = f"?after={after}&limit={limit}"
            got = _listed(probe, query)
            require(got == expected, f"GET {PATH}{query}: ids {[item.id for item in got]}, or other fields")


def _lists_so_many(probe: Probe) -> None:
    with _made(probe, *((f"Item {number}", number) for number in range(LIMIT + 1))):
        for query, length in (("", LIMIT), ("?other=7", LIMIT), ("?limit=1", 1), ("?limit=21&after=0", 21)):
            ids = [item.id for item in _listed(probe, query)]
            require(ids == sorted(set(ids)) and len(ids) == length, f"GET {PATH}{query}: ids {ids}")


def _keeps_text(probe: Probe) -> None:
    for name in NAMES:
        value = {"name": name, "quantity": 1}
        for body in (as_json(value), json.dumps(value).encode()):
            with within(f"the name {shown(name, limit=40)}"):
                item = create(probe, body)
                opened = probe.get(item.target)
                probe.wire.ask("DELETE", item.target)
                require(item.name == name, item.body)
                _expect(opened, 200, item.body)


def _takes(body: bytes, media_type: str, probe: Probe) -> None:
    probe.wire.ask("DELETE", create(probe, body, media_type).target)


def _refuses_query(query: str, name: str, probe: Probe) -> None:
    expect_reason(probe.get(PATH + query), name)


def _lacks(method: str, item_id: str, probe: Probe) -> None:
    target = f"{PATH}/{item_id}"
    answer = _send(probe, "PUT", target, VALID) if method == "PUT" else probe.wire.ask(method, target)
    _expect(answer, 404, NOT_FOUND)


def _is_unknown(item_id: str, probe: Probe) -> None:
    expect_status(probe.get(f"{PATH}/{item_id}"), *((400, 404) if "%FF" in item_id else (404,)))


def _lacks_method(method: str, probe: Probe) -> None:
    with _made(probe, ("unpatched", 1)) as (item,):
        expect_status(_send_early(probe, method, item.target, VALID), 405)


def _refuses_post(refusal: Refusal, probe: Probe) -> None:
    answer = _send_early(probe, "POST", PATH, refusal.body, refusal.media_type)
    for location in answer.values("location"):
        probe.wire.ask("DELETE", location)  # it was taken instead
    _expect(answer, refusal.status, refusal.answer)


def _refuses_put(refusal: Refusal, probe: Probe) -> None:
    with _made(probe, ("unchanged", 1)) as (item,):
        answer = _send_early(probe, "PUT", item.target, refusal.body, refusal.media_type)
        _expect(answer, refusal.status, refusal.answer)
        _expect(probe.get(item.target), 200, item.body)
    # What is wrong with a body is said before the item is looked for.
    answer = _send_early(probe, "PUT", f"{PATH}/{ABSENT[0]}", refusal.body, refusal.media_type)
    _expect(answer, refusal.status, refusal.answer)


def _rule(name: str, expected: str, check: Callable[[Probe], None]) -> Rule:
    return Rule(endpoint=NAME, name=name, expected=expected, check=check)


def _refused_queries() -> Iterator[tuple[str, str]]:
    for value in (*NOT_INTEGERS, "0", "-1", str(LIMIT_MAX + 1), *HUGE):
        yield f"?limit={value}", "limit"
    for value in (*NOT_INTEGERS, "-1", str(ID_MAX + 1), *HUGE):
        yield f"?after={value}", "after"


def _refusal_rules() -> Iterator[Rule]:
    for refusal in REFUSED:
        for method, check in (("POST", _refuses_post), ("PUT", _refuses_put)):
            body = (
                shown(refusal.body, limit=60) if refusal.media_type == JSON else f"a body of type {refusal.media_type}"
            )
            expected = f"{method} with {body or 'an empty body'}: {refusal.status}, {refusal.answer.decode()}"
            yield _rule(refusal.rule, expected, partial(check, refusal))


RULES: tuple[Rule, ...] = (
    _rule("created", f"POST {PATH}: 201, Location, and the item with an id of its own", _creates),
    _rule("opened", f"GET {PATH}/ID: 200 and the item", _opens),
    _rule("replaced", f"PUT {PATH}/ID: 200 and the item with new name and quantity, no other item changed", _replaces),
    _rule("deleted", f"DELETE {PATH}/ID: 204 without a body, then 404; no other item deleted", _deletes),
    _rule("stored", "every change is in the table item when its answer arrives, and nothing else has changed", _stores),
    _rule("list", f"GET {PATH}?after=ID&limit=N: the first N items above ID, in ascending order of id", _lists_by_id),
    _rule("list", f"GET {PATH}: {LIMIT} items, or as many as limit says, from the first", _lists_so_many),
    _rule("text", "names come back as they were sent, in UTF-8 or in JSON's escapes", _keeps_text),
    _rule("413", f"POST {PATH} with {LONGEST_BODY_BYTES} bytes: 201", partial(_takes, LONGEST, JSON)),
    *(
        _rule("415", f"POST {PATH} of type {media_type}: 201", partial(_takes, VALID, media_type))
        for media_type in MEDIA_TYPES
    ),
    *(
        _rule(
            "400",
            f'GET {PATH}{shown(query, limit=48)}: 400, application/json, {{"error":"{name}: <reason>"}}',
            partial(_refuses_query, query, name),
        )
        for query, name in _refused_queries()
    ),
    *(
        _rule("missing", f"{method} {PATH}/{item_id}: 404, {NOT_FOUND.decode()}", partial(_lacks, method, item_id))
        for item_id in ABSENT
        for method in ("GET", "PUT", "DELETE")
    ),
    *(_rule("404", f"GET {PATH}/{item_id}: status 404", partial(_is_unknown, item_id)) for item_id in NO_IDS),
    *(_rule("405", f"{method} {PATH}/ID: status 405", partial(_lacks_method, method)) for method in ("POST", "PATCH")),
    *_refusal_rules(),
)
