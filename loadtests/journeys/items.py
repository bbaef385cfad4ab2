"""A clerk keeps a list of items: looks at it, opens one, adds one (mistyped at first), corrects it, and takes it out again.

locust -f loadtests/journeys/items.py --host http://127.0.0.1:8000
"""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from locust import SequentialTaskSet, between, task

from loadtests.journey import EngineUser

SEEDED = 20
"""Items that are there from the start have the ids from 1 on; nobody changes these."""
NEW: Mapping[str, Any] = {"name": "Desk lamp", "quantity": 3}
CHANGED: Mapping[str, Any] = {"name": "Desk lamp, black", "quantity": 4}
Check = Callable[[bytes], bool]


def _refusal(body: bytes) -> bool:
    return list(json.loads(body)["errors"]) == ["name", "quantity"]


def _missing(body: bytes) -> bool:
    return bool(json.loads(body) == {"error": "item: not found"})


def _nothing(body: bytes) -> bool:
    return not body


def _item(number: int | None = None, **fields: Any) -> Check:
    """An item as the contract has it, with this id and these fields where they are known."""
    known: Mapping[str, Any] = fields if number is None else {"id": number, **fields}

    def check(body: bytes) -> bool:
        item = json.loads(body)
        return list(item) == ["id", "name", "quantity"] and known.items() <= item.items()

    return check


def _page(after: int, limit: int) -> Check:
    """Rows from the id above `after` on: first the seeded ones that are left, then perhaps what other clerks have added."""
    seeded = list(range(after + 1, SEEDED + 1))[:limit]

    def check(body: bytes) -> bool:
        rows = json.loads(body)
        ids = [row["id"] for row in rows]
        return (
            len(ids) <= limit
            and ids[: len(seeded)] == seeded
            and ids == sorted(set(ids))
            and all(list(row) == ["id", "name", "quantity"] for row in rows)
        )

    return check


class Shift(SequentialTaskSet):
    """One round. What a clerk has added it deletes in the same round, so that the list does not grow."""

    made: int | None

    def on_start(self) -> None:
        self.made = None

    @task
    def list_items(self) -> None:
        after = random.randrange(SEEDED)
        self.client.get(f"/api/items?after={after}&limit=10", name="list", check=_page(after, 10))

    @task
    def open_item(self) -> None:
        number = random.randint(1, SEEDED)
        self.client.get(f"/api/items/{number}", name="open", check=_item(number))

    @task
    def mistype(self) -> None:
        self.client.post(
            "/api/items", json={"name": "", "quantity": -1}, expect=422, name="create, refused", check=_refusal
        )

    @task
    def create(self) -> None:
        answer = self.client.post("/api/items", json=NEW, expect=201, name="create", check=_item(**NEW))
        self.made = answer.json()["id"] if answer.ok else None

    @task
    def edit(self) -> None:
        if self.made is not None:
            changed = _item(self.made, **CHANGED)
            self.client.put(f"/api/items/{self.made}", json=CHANGED, expect=200, name="edit", check=changed)

    @task
    def open_changed(self) -> None:
        if self.made is not None:
            self.client.get(
                f"/api/items/{self.made}", expect=200, name="open, changed", check=_item(self.made, **CHANGED)
            )

    @task
    def delete(self) -> None:
        if self.made is not None:
            self.client.delete(f"/api/items/{self.made}", expect=204, name="delete", check=_nothing)

    @task
    def look_in_vain(self) -> None:
        if self.made is not None:
            self.client.get(f"/api/items/{self.made}", expect=404, name="open, deleted", check=_missing)
        self.made = None


class Clerk(EngineUser):
    """Thinks for one to three seconds between two steps, but not where it is measured."""

    wait_time = between(1, 3)
    tasks = [Shift]  # noqa: RUF012  Locust's own way to say it
