"""The rows as the endpoints speak of them, and the random choices among them."""

import random
from typing import NamedTuple

WORLD_IDS = range(1, 10_001)
NUMBER_MAX = 10_000


class WorldRow(NamedTuple):
    """A row of `world`."""

    id: int
    number: int

    def as_json(self) -> dict[str, int]:
        return {"id": self.id, "randomNumber": self.number}


class FortuneRow(NamedTuple):
    """A row of `fortune`."""

    id: int
    message: str


class ItemRow(NamedTuple):
    """A row of `item`."""

    id: int
    name: str
    quantity: int

    def as_json(self) -> dict[str, int | str]:
        return self._asdict()


ADDITIONAL_FORTUNE = FortuneRow(0, "Additional fortune added at request time.")


def random_id() -> int:
    return random.choice(WORLD_IDS)


def random_ids(count: int) -> list[int]:
    """`count` ids, perhaps repeated."""
    return random.choices(WORLD_IDS, k=count)


def distinct_ids(count: int) -> list[int]:
    """`count` ids, none repeated, ascending: requests that lock their rows in one order cannot deadlock."""
    return sorted(random.sample(WORLD_IDS, count))


def other_number(number: int) -> int:
    """A uniform random number from 1 to NUMBER_MAX that is not `number`."""
    drawn = random.randint(1, NUMBER_MAX - 1)
    return drawn if drawn < number else drawn + 1
