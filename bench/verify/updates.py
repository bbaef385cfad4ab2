"""Rules for /updates, which writes."""

from bench.verify.parameters import HUGE, lenient_rules
from bench.verify.rows import Row, expect_spread, rows_of
from bench.verify.rule import Probe, Rule, require, within

MANY = "/updates?queries=500"


def _update(probe: Probe, target: str) -> list[Row]:
    rows = rows_of(probe.get(target))
    probe.written.update({row.id: row.number for row in rows})
    return rows


def _sample(probe: Probe) -> list[Row]:
    if MANY in probe.answers:
        return rows_of(probe.answers[MANY])
    rows = rows_of(probe.once(MANY))
    probe.written.update({row.id: row.number for row in rows})
    return rows


def _count(probe: Probe, target: str) -> int:
    return len(_update(probe, target))


def _rows_are_rows(probe: Probe) -> None:
    _update(probe, "/updates?queries=20")


def _ids_are_distinct(probe: Probe) -> None:
    ids = [row.id for row in _sample(probe)]
    twice = sorted({row_id for row_id in ids if ids.count(row_id) > 1})
    require(not twice, f"{len(twice)} ids more than once, such as {twice[:3]}")


def _ids_are_random(probe: Probe) -> None:
    expect_spread([row.id for row in _sample(probe)], "id")


def _numbers_are_random(probe: Probe) -> None:
    expect_spread([row.number for row in _sample(probe)], "randomNumber")


def _all_are_written(probe: Probe) -> None:
    for target in ("/updates?queries=1", "/updates?queries=20", MANY):
        before = probe.database.world()
        rows = _update(probe, target)
        after = probe.database.world()
        with within(f"GET {target}"):
            for row in rows:
                stored = after.get(row.id, "no such row")
                require(row.number == stored, f"id {row.id}: {row.number}, in the table: {stored}")
            listed = {row.id for row in rows}
            others = sorted(key for key in after if key not in listed and after[key] != before.get(key))
            require(not others, f"rows changed that are not listed: {others[:5]}")
            require(len(after) == len(before), f"{len(after)} rows in the table, {len(before)} before")


def _all_numbers_change(probe: Probe) -> None:
    # A server that merely draws a number repeats an old one in 1 of 10,000 rows: this finds it only now and then.
    before = probe.database.world()
    same = [row.id for row in _update(probe, MANY) if row.number == before.get(row.id)]
    require(not same, f"{len(same)} of 500 rows keep their number, such as id {same[:1]}")


RULES: tuple[Rule, ...] = (
    Rule(
        endpoint="updates",
        name="body",
        expected='a list of {"id":<1 to 10000>,"randomNumber":<1 to 10000>}, exactly as json.dumps writes it',
        check=_rows_are_rows,
    ),
    *lenient_rules("updates", "queries", _count, high=("501", HUGE[0])),
    Rule(
        endpoint="updates",
        name="distinct",
        expected=f"GET {MANY}: no id twice",
        check=_ids_are_distinct,
    ),
    Rule(
        endpoint="updates",
        name="random",
        expected=f"GET {MANY}: ids spread evenly over 1 to 10000",
        check=_ids_are_random,
    ),
    Rule(
        endpoint="updates",
        name="random",
        expected=f"GET {MANY}: new numbers spread evenly over 1 to 10000",
        check=_numbers_are_random,
    ),
    Rule(
        endpoint="updates",
        name="written",
        expected="every row that the response lists is in the table when it arrives, and no other row has changed",
        check=_all_are_written,
    ),
    Rule(
        endpoint="updates",
        name="changed",
        expected=f"GET {MANY}: every new number differs from the old one",
        check=_all_numbers_change,
    ),
)
