"""A plan holds literal numbers only, and goes through every cell before any repeats."""

import itertools
from dataclasses import replace

import pytest
from made_stacks import Tree, budget, plan, profile, scenario, three_stacks

from bench import catalog, sweep
from bench.model import BenchError, Skipped
from bench.plan import (
    CONNECTIONS,
    DATABASE_CONNECTIONS_PER_STACK,
    PROFILES,
    RESERVED_CONNECTIONS,
    WAITING_CONNECTIONS,
    database_connections,
    make,
    plan_stack,
    without,
)


@pytest.fixture(scope="module")
def real() -> catalog.Catalog:
    return catalog.load()


@pytest.mark.parametrize(
    ("name", "cpus", "workers", "threads", "processes"),
    [
        ("flask/gunicorn-sync/nginx", 1, 3, 1, 4),
        ("flask/gunicorn-sync/nginx", 4, 9, 1, 10),
        ("flask/gunicorn-gthread/nginx", 1, 2, 16, 3),
        ("flask/gunicorn-gthread/nginx", 3, 6, 16, 7),
        ("flask/gunicorn-gevent/nginx", 2, 5, 1, 6),
        ("django/uwsgi/nginx-uwsgi", 1, 3, 1, 4),
        ("django/runserver/direct", 8, 1, 1, 1),
        ("tornado/multi/nginx", 1, 2, 1, 2),
        ("tornado/multi/nginx", 6, 6, 1, 6),
        ("aiohttp/single/direct", 6, 1, 1, 1),
        ("asyncio/reuse-port/direct", 1, 2, 1, 2),
        ("tornado/fork/nginx", 3, 3, 1, 4),
        ("aiohttp/gunicorn-aiohttp/nginx", 1, 2, 1, 3),
        ("twisted/twisted-multi/nginx", 3, 3, 1, 3),
        ("flask/twisted-wsgi/direct", 4, 1, 128, 1),
        ("django-async/uvicorn/nginx", 1, 1, 1, 1),
        ("django-async/uvicorn/nginx", 4, 4, 1, 6),
        ("django/gunicorn-asgi/nginx", 4, 4, 1, 5),
        ("flask/hypercorn/direct", 1, 1, 1, 3),
        ("flask/granian-asgi/direct", 1, 1, 1, 2),
        ("flask/granian-wsgi/direct", 2, 2, 32, 3),
    ],
)  # fmt: skip
def test_worker_rules(real: catalog.Catalog, name: str, cpus: int, workers: int, threads: int, processes: int) -> None:
    found = plan_stack(real.stacks[name], budget(cpus))
    assert (found.workers, found.threads, found.processes) == (workers, threads, processes)
    assert found.values["workers"] == str(workers)
    assert found.values["threads"] == str(threads)
    assert found.front_processes == (0 if name.endswith("/direct") else cpus + 1)


def test_a_front_has_a_worker_for_each_of_its_own_cpus(real: catalog.Catalog) -> None:
    stack = real.stacks["flask/gunicorn-sync/nginx"]
    assert plan_stack(stack, budget(4)).front_processes == 5
    assert plan_stack(stack, replace(budget(4), front_cpus=frozenset({8, 9}))).front_processes == 3


def test_options_take_the_place_of_rules(real: catalog.Catalog) -> None:
    stack = catalog.resolve(real, "flask/gunicorn-gthread+workers=5+threads=3/nginx")
    found = plan_stack(stack, budget(4))
    assert (found.workers, found.threads, found.processes) == (5, 3, 6)
    looped = plan_stack(catalog.resolve(real, "tornado/multi+loop=uvloop/nginx"), budget(1))
    assert (looped.values["loop"], looped.workers) == ("uvloop", 2)
    assert plan_stack(real.stacks["tornado/multi/nginx"], budget(1)).values["loop"] == "asyncio"


def test_an_option_may_have_words_of_its_own_for_the_command_line(real: catalog.Catalog) -> None:
    server = "aiohttp/gunicorn-aiohttp"
    looped = plan_stack(catalog.resolve(real, f"{server}+loop=uvloop/direct"), budget(1))
    assert looped.values["loop"] == "aiohttp.GunicornUVLoopWebWorker"
    assert plan_stack(real.stacks[f"{server}/direct"], budget(1)).values["loop"] == "aiohttp.GunicornWebWorker"
    assert looped.stack.options == {"loop": "uvloop"}


def test_all_stacks_hold_as_many_database_connections(real: catalog.Catalog) -> None:
    for stack, cpus in itertools.product(real.stacks.values(), (1, 2, 5)):
        found = plan_stack(stack, budget(cpus))
        assert found.pool_max >= 1
        if found.workers <= DATABASE_CONNECTIONS_PER_STACK:
            held = found.pool_max * found.workers
            assert held <= DATABASE_CONNECTIONS_PER_STACK < held + found.workers
    assert plan_stack(real.stacks["aiohttp/single/direct"], budget()).pool_max == 12
    assert plan_stack(catalog.resolve(real, "flask/gunicorn-sync+workers=40/nginx"), budget()).pool_max == 1
    assert plan_stack(real.stacks["tornado/multi/nginx"], budget(), cap=7).pool_max == 3


def test_a_rule_that_gives_nothing_names_its_manifest(tree: Tree) -> None:
    tree.app("a")
    tree.front("direct")
    tree.server("odd", '[workers]\nrule = "cpus - 1"\nprocesses = "workers"')
    stack = tree.stack("a/odd/direct")
    assert plan_stack(stack, budget(3)).workers == 2
    with pytest.raises(BenchError, match=r"^deploy/servers/odd/server.toml: key 'workers.rule': 'cpus - 1' gives 0"):
        plan_stack(stack, budget(1))


def test_every_cell_is_visited_before_any_repeats(tree: Tree) -> None:
    scenarios = [scenario("plaintext"), scenario("db"), scenario("updates", order=900)]
    made = plan(three_stacks(tree), scenarios, blocks=3)
    visits = [(cell.scenario.name, cell.view) for cell in made.cells()]
    assert len(visits) == 3 * 3 * 2
    rounds = [visits[start : start + 6] for start in range(0, 18, 6)]
    assert all(set(one) == set(rounds[0]) and len(set(one)) == 6 for one in rounds)
    assert [cell.block for cell in made.cells()] == [0] * 6 + [1] * 6 + [2] * 6


def test_capacity_comes_before_the_latency_that_is_derived_from_it(tree: Tree) -> None:
    cells = plan(three_stacks(tree), [scenario("json"), scenario("db")], blocks=2).cells()
    for cell in cells:
        if cell.view == "latency":
            before = cells[cells.index(cell) - 1]
            assert (before.block, before.scenario, before.view) == (cell.block, cell.scenario, "capacity")


def test_latency_is_read_where_the_profile_says_and_everywhere_if_nothing_of_that_was_asked_for(tree: Tree) -> None:
    stacks = three_stacks(tree)

    def views(*names: str) -> list[str]:
        made = plan(stacks, [scenario(name) for name in names], latency=("db", "io"))
        return [f"{cell.scenario.name} {cell.view}" for cell in made.cells()]

    assert views("json", "db") == ["json capacity", "db capacity", "db latency"]
    assert views("json", "cpu") == ["json capacity", "json latency", "cpu capacity", "cpu latency"]
    assert views("io") == ["io capacity", "io latency"]


@pytest.mark.parametrize("name", list(PROFILES))
def test_updates_run_last_in_every_block_of_every_profile(real: catalog.Catalog, name: str) -> None:
    chosen = PROFILES[name]
    asked = sweep.scenarios(real, [*chosen.scenarios, "updates"])
    made = make(chosen, catalog.select_stacks(real, chosen.stacks), asked, budget(), seed=1)
    all_cells = made.cells()
    for block, group in itertools.product(range(chosen.blocks), range(len(made.groups()))):
        cells = [cell.scenario.name for cell in all_cells if (cell.block, cell.group) == (block, group)]
        assert len(set(cells)) > 1
        assert set(cells[cells.index("updates") :]) == {"updates"}


def test_what_a_stack_lacks_is_skipped_with_its_reason(tree: Tree) -> None:
    tree.server("plain")
    tree.front("direct")
    tree.app("ant", missing=["io-db", "db"])
    tree.app("bee")
    stacks = list(tree.load().stacks.values())
    made = make(
        profile(), stacks, [scenario("json"), scenario("db", needs=("db",))], budget(), seed=1,
        refused={"x/y/z": "y speaks uwsgi, z needs http"},
    )  # fmt: skip
    assert made.skipped == {
        "x/y/z": Skipped(reason="y speaks uwsgi, z needs http"),
        "ant/plain/direct db": Skipped(reason="ant has no db"),
    }
    assert [one.stack.id for one in made.stacks] == ["ant/plain/direct", "bee/plain/direct"]


def test_what_cannot_be_had_is_taken_out_with_its_reason(tree: Tree) -> None:
    made = make(profile(), three_stacks(tree), [scenario("db")], budget(), seed=1, refused={"x/y/z": "no"})
    first, *others = made.stacks
    left = without(made, {first.stack.id: "no Node; install it"})
    assert left.stacks == tuple(others)
    assert left.skipped == {"x/y/z": Skipped(reason="no"), first.stack.id: Skipped(reason="no Node; install it")}


def test_a_plan_of_nothing_is_refused(tree: Tree) -> None:
    stacks = three_stacks(tree)
    with pytest.raises(BenchError, match="no stack was chosen; `bench list` prints them"):
        plan([], [scenario("db")])
    with pytest.raises(BenchError, match="no scenario was chosen; `bench list` prints them"):
        plan(stacks, [])


def test_database_connections_count_every_worker_of_every_copy(tree: Tree) -> None:
    stacks = plan(three_stacks(tree), [scenario("db")]).stacks
    one = sum(each.workers * max(each.pool_max, each.threads) for each in stacks)
    assert one > 0
    assert database_connections(stacks, 1) == one + RESERVED_CONNECTIONS
    assert database_connections(stacks, 2) == 2 * one + RESERVED_CONNECTIONS


def test_a_scenario_that_waits_and_an_open_loop_get_more_connections(tree: Tree) -> None:
    made = plan(three_stacks(tree), [scenario("db")])
    waiting = replace(scenario("db"), tags=frozenset({"waiting"}))
    assert made.connections(scenario("db"), "capacity") == CONNECTIONS
    assert made.connections(scenario("db"), "latency") == WAITING_CONNECTIONS
    assert made.connections(waiting, "capacity") == WAITING_CONNECTIONS
    assert CONNECTIONS < WAITING_CONNECTIONS
    held = replace(waiting, connections=256)
    for model, threads, connections in (("sync", 1, 8), ("threads", 12, 32), ("threads", 40, 64), ("loop", 1, 64)):
        one = made.stacks[0]
        server = replace(one.stack.server, model=model)
        stack = replace(one, workers=2, threads=threads, stack=replace(one.stack, server=server))
        assert made.connections(waiting, "capacity", stack) == connections, "as many as it can hold, or the next step"
        assert made.connections(held, "capacity", stack) == 256
        pooled = replace(waiting, tags=frozenset({"waiting", "database"}))
        assert made.connections(pooled, "capacity", replace(stack, pool_max=4)) == 8


def test_the_budgets_notes_are_the_plans(tree: Tree) -> None:
    from dataclasses import replace

    shared = replace(budget(), notes=("The database shares the generator's CPU.",))
    made = make(profile(), three_stacks(tree), [scenario("json")], shared, seed=1)
    assert made.notes == shared.notes


def test_quick_fits_its_time_and_standard_has_replicates_for_intervals() -> None:
    quick, standard = PROFILES["quick"], PROFILES["standard"]
    assert quick.load_until_s is not None
    assert quick.load_until_s < 110
    assert quick.scenarios == ("plaintext", "json", "db", "fortunes")
    assert standard.blocks * standard.copies >= 6
    assert standard.load_until_s is None
