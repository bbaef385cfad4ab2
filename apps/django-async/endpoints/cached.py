"""The rows of `world` from Django's cache, which is one per process."""

from collections.abc import Awaitable, Callable, Iterable

from django.core.cache import cache

from endpoints.rows import WorldRow


async def cached_worlds(row_ids: Iterable[int], load: Callable[[], Awaitable[list[WorldRow]]]) -> list[WorldRow]:
    """The rows in the order given. If any is not there, all are put there first, by one call of `load`.

    The cache is in memory and waits for nothing, so its methods are called as they are: `aget_many` would take a
    thread for each key.
    """
    row_ids = list(row_ids)
    numbers = cache.get_many(row_ids)
    if not numbers.keys() >= set(row_ids):
        numbers = {row.id: row.number for row in await load()}
        cache.set_many(numbers)
    return [WorldRow(row_id, numbers[row_id]) for row_id in row_ids]
