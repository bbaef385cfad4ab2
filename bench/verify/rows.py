"""Rules for the endpoints that read World: /db, /queries and /cached-queries."""

from dataclasses import dataclass
from functools import partial

from bench.verify.judge import expect_json, expect_status
from bench.verify.parameters import HUGE, lenient_rules
from bench.verify.report import shown
from bench.verify.rule import BrokenError, NotCheckedError, Probe, Rule, require, within
from bench.verify.wire import Answer

ROWS = 10_000
DB_REQUESTS = 12
DB_DISTINCT = 9
"""Of 12 uniform ids at least 9 differ, but for one time in 10**10. Workers forked with one seed give fewer."""

MANY_DISTINCT = 400
"""500 uniform draws from 10,000 give 488 different ones on average, with a standard deviation below 4."""


@dataclass(frozen=True, kw_only=True)
class Row:
    id: int
    number: int


def row_of(value: object) -> Row:
    """The row that an object of the contract stands for; BrokenError where it is not one."""
    if not isinstance(value, dict) or list(value) != ["id", "randomNumber"]:
        raise BrokenError(shown(value))
    for key, number in value.items():
        # bool is an int to isinstance.
        if type(number) is not int or not 1 <= number <= ROWS:
            raise BrokenError(f"{key}: {shown(number)}")
    return Row(id=value["id"], number=value["randomNumber"])


def rows_of(answer: Answer) -> list[Row]:
    """The rows of a list of any length; BrokenError where it is not one."""
    expect_status(answer, 200)
    value = expect_json(answer)
    if not isinstance(value, list):
        raise BrokenError(f"no list: {shown(answer.body, limit=160)}")
    return [row_of(item) for item in value]


def expect_spread(values: list[int], what: str) -> None:
    """BrokenError unless 500 values look like uniform draws from 1 to 10,000, with bounds that chance does not reach."""
    require(len(set(values)) >= MANY_DISTINCT, f"{len(set(values))} different {what}s in {len(values)}")
    # Nothing below 1,000, or nothing above 9,000: 0.9 ** 500, or 10 ** -23.
    require(min(values) <= ROWS // 10 and max(values) > ROWS - ROWS // 10, f"{what}s {min(values)} to {max(values)}")


def _count(probe: Probe, target: str) -> int:
    return len(rows_of(probe.get(target)))


def _one_row(probe: Probe) -> Row:
    answer = probe.get("/db")
    expect_status(answer, 200)
    return row_of(expect_json(answer))


def _is_one_row(probe: Probe) -> None:
    _one_row(probe)


def _random_row(probe: Probe) -> None:
    ids = [_one_row(probe).id for _ in range(DB_REQUESTS)]
    require(len(set(ids)) >= DB_DISTINCT, f"ids {', '.join(map(str, ids))}")


def _rows_are_rows(target: str, probe: Probe) -> None:
    with within(f"GET {target}"):
        rows_of(probe.get(target))


def _random_ids(target: str, probe: Probe) -> None:
    expect_spread([row.id for row in rows_of(probe.once(target))], "id")


def _db_row_is_stored(probe: Probe) -> None:
    world = probe.database.world()
    for _ in range(3):
        _expect_stored(_one_row(probe), world)


def _query_rows_are_stored(probe: Probe) -> None:
    world = probe.database.world()
    for row in rows_of(probe.get("/queries?queries=100")):
        _expect_stored(row, world)


def _expect_stored(row: Row, world: dict[int, int]) -> None:
    stored = world.get(row.id, "no such row")
    require(row.number == stored, f"id {row.id}: {row.number}, in the table: {stored}")


AGAIN = 3
"""Of several processes that remember rows, one may have read them only just now, after they changed; hardly three in a row."""

EVERY = 10
"""One row in so many is changed before /queries is asked for 3 times 40: that none of these is one, 0.9 ** 120, is 3 in a million."""


def _db_row_is_read_anew(probe: Probe) -> None:
    with probe.database.world_changed(every=1) as now:
        for _ in range(AGAIN):
            _expect_stored(_one_row(probe), now)


def _query_rows_are_read_anew(probe: Probe) -> None:
    if probe.tables is None and probe.written:
        _query_rows_follow_updates(probe)
        return
    with probe.database.world_changed(every=EVERY) as now:
        for _ in range(AGAIN):
            for row in rows_of(probe.get("/queries?queries=40")):
                if row.id in now:
                    _expect_stored(row, now)


def _query_rows_follow_updates(probe: Probe) -> None:
    """What can be told without the database.

    Somebody else may have written a row since /updates did. Where one differs, fresh updates decide: only then are they worth their time.
    """
    written, wrong = probe.written, ""
    for again in range(AGAIN):
        if again:
            written = _update(probe)
        rows = rows_of(probe.get("/queries?queries=500"))
        old = [row for row in rows if written.get(row.id, row.number) != row.number]
        if not old:
            return
        wrong = f"id {old[0].id}: {old[0].number}, what /updates wrote: {written[old[0].id]}"
    raise BrokenError(wrong)


def _update(probe: Probe) -> dict[int, int]:
    """The numbers, by id, that 500 rows have now."""
    new = {row.id: row.number for row in rows_of(probe.get("/updates?queries=500"))}
    probe.written.update(new)
    return new


def _cached_rows_are_stored(probe: Probe) -> None:
    # A cache that was filled before earlier updates is right to be old: most rows, not all, have to agree.
    world = probe.database.world()
    rows = rows_of(probe.get("/cached-queries?count=500"))
    same = sum(row.number == world.get(row.id) for row in rows)
    require(
        same * 10 >= len(rows),
        f"{same} of {len(rows)} as in the table (if it was updated a lot since the server started, restart the server)",
    )


CACHE_REQUESTS = 20
"""Each asks for 500 rows; with 500 rows changed, a filled cache betrays itself in 25 of them, on average."""


def _cached_rows_stay(probe: Probe) -> None:
    """What was read before /updates is still answered.

    One of several processes may have filled its cache only when it was asked here, after the updates, and a kept connection leads to the
    same one each time; so rows are changed once more, now that whoever is asked has filled its own.
    """
    if not probe.written:
        raise NotCheckedError("needs rows that /updates has changed: /updates was not verified, or failed")
    for again in (False, True):
        if again:
            _update(probe)
        for _ in range(CACHE_REQUESTS):
            rows = rows_of(probe.get("/cached-queries?count=500"))
            if any(probe.written.get(row.id, row.number) != row.number for row in rows):
                return
    raise BrokenError(f"{CACHE_REQUESTS} times 500 rows, none of them older than what /updates wrote since")


def _list_rules(endpoint: str, parameter: str) -> tuple[Rule, ...]:
    few, many = f"/{endpoint}?{parameter}=20", f"/{endpoint}?{parameter}=500"
    return (
        Rule(
            endpoint=endpoint,
            name="body",
            expected='a list of {"id":<1 to 10000>,"randomNumber":<1 to 10000>}, exactly as json.dumps writes it',
            check=partial(_rows_are_rows, few),
        ),
        *lenient_rules(endpoint, parameter, _count, high=("501", *HUGE)),
        Rule(
            endpoint=endpoint,
            name="random",
            expected=f"GET {many}: ids spread evenly over 1 to 10000",
            check=partial(_random_ids, many),
        ),
    )


RULES: tuple[Rule, ...] = (
    Rule(
        endpoint="db",
        name="body",
        expected='GET /db: {"id":<1 to 10000>,"randomNumber":<1 to 10000>}, exactly as json.dumps writes it',
        check=_is_one_row,
    ),
    Rule(
        endpoint="db",
        name="random",
        expected=f"GET /db: at least {DB_DISTINCT} different ids in {DB_REQUESTS} requests",
        check=_random_row,
    ),
    Rule(
        endpoint="db",
        name="stored",
        expected="GET /db: randomNumber as it is in the table world",
        check=_db_row_is_stored,
    ),
    *_list_rules("queries", "queries"),
    Rule(
        endpoint="queries",
        name="stored",
        expected="GET /queries?queries=100: every randomNumber as it is in the table world",
        check=_query_rows_are_stored,
    ),
    *_list_rules("cached-queries", "count"),
    Rule(
        endpoint="cached-queries",
        name="stored",
        expected="GET /cached-queries?count=500: rows of the table world, as they were when the cache was filled",
        check=_cached_rows_are_stored,
    ),
)

RULES_AFTER_UPDATES: tuple[Rule, ...] = (
    Rule(
        endpoint="db",
        name="stored",
        expected="GET /db: randomNumber as it is in the table world, after /updates and another connection have changed rows",
        check=_db_row_is_read_anew,
    ),
    Rule(
        endpoint="queries",
        name="stored",
        expected="GET /queries: every randomNumber as it is in the table world, after /updates and another connection have changed rows",
        check=_query_rows_are_read_anew,
    ),
    Rule(
        endpoint="cached-queries",
        name="cached",
        expected="GET /cached-queries?count=500: rows from the cache, also after /updates changed them in the database",
        check=_cached_rows_stay,
    ),
)
