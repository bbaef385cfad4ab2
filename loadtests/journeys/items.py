"""A clerk keeps a list of items: looks at it, opens one, adds one (mistyped at first), corrects it, and takes it out again.

locust -f loadtests/journeys/items.py --host http://127.0.0.1:8000
"""

import random

from locust import SequentialTaskSet, between, task

from loadtests.journey import EngineUser

SEEDED = 20
"""Items that are there from the start have the ids from 1 on; nobody changes these."""


class Shift(SequentialTaskSet):
    """One round. What a clerk has added it deletes in the same round, so that the list does not grow."""

    made: int | None

    def on_start(self) -> None:
        self.made = None

    @task
    def list_items(self) -> None:
        self.client.get(f"/api/items?after={random.randrange(SEEDED)}&limit=10", name="list")

    @task
    def open_item(self) -> None:
        self.client.get(f"/api/items/{random.randint(1, SEEDED)}", name="open")

    @task
    def mistype(self) -> None:
        self.client.post("/api/items", json={"name": "", "quantity": -1}, expect=422, name="create, refused")

    @task
    def create(self) -> None:
        answer = self.client.post("/api/items", json={"name": "Desk lamp", "quantity": 3}, expect=201, name="create")
        self.made = answer.json()["id"] if answer.ok else None

    @task
    def edit(self) -> None:
        if self.made is not None:
            changed = {"name": "Desk lamp, black", "quantity": 4}
            self.client.put(f"/api/items/{self.made}", json=changed, expect=200, name="edit")

    @task
    def open_changed(self) -> None:
        if self.made is not None:
            self.client.get(f"/api/items/{self.made}", expect=200, name="open, changed")

    @task
    def delete(self) -> None:
        if self.made is not None:
            self.client.delete(f"/api/items/{self.made}", expect=204, name="delete")

    @task
    def look_in_vain(self) -> None:
        if self.made is not None:
            self.client.get(f"/api/items/{self.made}", expect=404, name="open, deleted")
        self.made = None


class Clerk(EngineUser):
    """Thinks for one to three seconds between two steps, but not where it is measured."""

    wait_time = between(1, 3)
    tasks = [Shift]  # noqa: RUF012  Locust's own way to say it
