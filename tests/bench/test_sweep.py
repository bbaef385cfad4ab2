"""A sweep makes stacks of a stack and scenarios of a scenario, and says what it cannot sweep."""

import pytest
from made_stacks import plan

from bench import catalog, request
from bench.catalog import select_stacks
from bench.model import BenchError
from bench.plan import CONNECTIONS
from bench.sweep import axes, sweep

FOUND = catalog.load()
GTHREAD, SYNC, SINGLE = (
    catalog.resolve(FOUND, name)
    for name in ("flask/gunicorn-gthread/nginx", "flask/gunicorn-sync/nginx", "aiohttp/single/direct")
)
DB = FOUND.scenarios["db"]


def swept(stacks: list[catalog.Stack], *given: str) -> list[str]:
    return [stack.id for stack in sweep(FOUND, stacks, [DB], axes(FOUND, given)).stacks]


def test_a_stack_is_measured_with_every_value() -> None:
    assert swept([SYNC], "workers=1,2,8") == [f"flask/gunicorn-sync+workers={n}/nginx" for n in (1, 2, 8)]
    assert swept([SYNC]) == [SYNC.id]


def test_two_axes_give_every_combination_and_a_default_is_the_stack_itself() -> None:
    assert swept([GTHREAD], "workers=1,2", "threads=4,16") == [
        "flask/gunicorn-gthread+threads=4+workers=1/nginx",
        "flask/gunicorn-gthread+workers=1/nginx",
        "flask/gunicorn-gthread+threads=4+workers=2/nginx",
        "flask/gunicorn-gthread+workers=2/nginx",
    ]
    assert swept([SINGLE], "loop=asyncio,uvloop") == [SINGLE.id, "aiohttp/single+loop=uvloop/direct"]


def test_what_the_id_says_besides_stays() -> None:
    stack = catalog.resolve(FOUND, "tornado/multi+loop=uvloop+workers=9/nginx")
    assert swept([stack], "workers=2") == ["tornado/multi+loop=uvloop+workers=2/nginx"]


def test_a_stack_without_the_option_is_left_out_with_the_reason() -> None:
    found = sweep(FOUND, [SYNC, SINGLE], [DB], axes(FOUND, ["workers=2"]))
    assert [stack.id for stack in found.stacks] == ["flask/gunicorn-sync+workers=2/nginx"]
    assert found.left_out == {SINGLE.id: "single/direct has no option workers to sweep over"}


def test_connections_make_scenarios_with_names_of_their_own_and_no_latency() -> None:
    found = sweep(FOUND, [SYNC], [DB], axes(FOUND, ["connections=1,256"]))
    assert [stack.id for stack in found.stacks] == [SYNC.id]
    assert [one.name for one in found.scenarios] == ["db-1-connections", "db-256-connections"]
    assert {one.source for one in found.scenarios} == {"db"}, "the load generator knows one file"
    made = plan(found.stacks, [*found.scenarios, DB], latency=("db",))
    assert [made.connections(one, "capacity") for one in made.scenarios] == [1, 256, CONNECTIONS]
    assert [made.views(one) for one in made.scenarios] == [("capacity",), ("capacity",), ("capacity", "latency")]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["worker=1,2"], "--sweep worker=1,2: unknown axis 'worker'. Did you mean workers or retry?"),
        (["workers"], "--sweep workers: expected different values, as in workers=1,2,4"),
        (["workers=2,2"], "--sweep workers=2,2: expected different values, as in workers=1,2,4"),
        (["workers=1", "workers=2"], "--sweep workers=2: 'workers' is swept already; give all its values at once"),
        (["workers=0"], "stack 'flask/gunicorn-sync+workers=0/nginx': workers=0: must be a positive integer"),
        (["connections=many"], "--sweep connections: 'many' must be a whole number from 1"),
        (["loop=uvloop"], "--sweep: none of the chosen stacks has the options loop; `bench list` prints them all"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_clear_line(given: list[str], says: str) -> None:
    with pytest.raises(BenchError) as caught:
        sweep(FOUND, [SYNC], [DB], axes(FOUND, given))
    assert str(caught.value) == says


def test_the_full_profile_has_crowds_of_waiting_clients_and_the_core_over_numbers_of_workers() -> None:
    made = request.fresh(FOUND, profile="full", stacks=(), scenarios=(), mode="native", seed=1)
    held = {one.name: made.connections(one, "capacity") for one in made.scenarios if "waiting" in one.tags}
    assert held == {"io": 64, "io-256-connections": 256, "io-1024-connections": 1024, "io-db": 64}
    assert {"cached-queries", "upload", "blob", "static-1kb", "static-100kb", "static-10mb", "items"} <= {
        one.name for one in made.scenarios
    }
    swept = [one for one in made.stacks if "workers" in one.stack.options]
    counts = {one.workers for one in swept if one.stack.id.startswith("flask/gunicorn-sync+workers=")}
    assert counts == {1, 2, 4}
    loaded = [one.name for one in made.scenarios if f"{swept[0].stack.id} {one.name}" not in made.skipped]
    assert loaded == ["json", "db", "cpu", "io"]
    whole = {one.stack.id for one in made.stacks} - {one.stack.id for one in swept}
    assert whole == {one.id for one in select_stacks(FOUND, ["full"])}
    db = next(one for one in made.scenarios if one.name == "db")
    assert made.views(db) == ("capacity", "latency", "latency-50", "latency-80", "latency-95")


def test_stacks_that_are_named_are_not_swept_by_the_profile() -> None:
    made = request.fresh(FOUND, profile="full", stacks=["core"], scenarios=(), mode="native", seed=1)
    assert {one.stack.id for one in made.stacks} == {one.id for one in select_stacks(FOUND, ["core"])}
