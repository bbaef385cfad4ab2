"""How long things should take: more for more, and only what is not load grows with a slow machine."""

from dataclasses import replace

import pytest
from made_stacks import Tree, plan, scenario, three_stacks

from bench import estimate
from bench.model import Skipped
from bench.plan import Cell, Plan

WAITING = replace(scenario("io", windows=True), tags=frozenset({"waiting"}), parameters={"ms": 200})


@pytest.fixture
def made(tree: Tree) -> Plan:
    return plan(
        three_stacks(tree), [scenario("json"), WAITING], copies=2, capacity_s=0.5, latency_s=2.0, own_loads=(80,)
    )


def seconds(made: Plan, name: str, view: str, **how: float) -> float:
    (asked,) = [one for one in made.scenarios if one.name == name]
    (found,) = estimate.planned_seconds(made, [Cell(block=0, scenario=asked, view=view)], **how).values()
    return found


def test_load_takes_its_time_on_any_machine_and_the_rest_as_much_longer_as_it_is_slow(made: Plan) -> None:
    load_s = 6 * (0.5 + 0.1)
    rest_s = estimate.JOB_OVERHEAD_S + 6 * estimate.TARGET_OVERHEAD_S
    assert seconds(made, "json", "capacity") == pytest.approx(load_s + rest_s)
    assert seconds(made, "json", "capacity", slow=2.0) == pytest.approx(load_s + 2 * rest_s)
    assert seconds(made, "json", "capacity", share=0.5) == pytest.approx(load_s - 6 * 0.25 + rest_s)


def test_the_null_server_is_one_more(made: Plan) -> None:
    with_null = replace(made, profile=replace(made.profile, ceiling=True))
    one_s = 0.5 + 0.1 + estimate.TARGET_OVERHEAD_S
    assert seconds(with_null, "json", "capacity") == pytest.approx(seconds(made, "json", "capacity") + one_s)
    assert seconds(with_null, "json", "latency") == seconds(made, "json", "latency")


def test_what_waits_is_drained_by_as_many_as_can_wait_at_once(made: Plan) -> None:
    """Two sync workers and 8 connections: each deployment needs 4 x 200 ms to be rid of them."""
    loaded_s = 6 * (1.0 + estimate.TARGET_OVERHEAD_S)
    assert seconds(made, "io", "capacity") == pytest.approx(estimate.JOB_OVERHEAD_S + loaded_s + 6 * 0.8)
    stacks = tuple(
        replace(one, stack=replace(one.stack, server=replace(one.stack.server, model="loop"))) for one in made.stacks
    )
    free = replace(made, stacks=stacks)
    assert seconds(free, "io", "capacity") == pytest.approx(estimate.JOB_OVERHEAD_S + loaded_s + 6 * 0.2)


def test_loops_too_slow_for_a_median_take_no_time(made: Plan) -> None:
    """10 requests/s at most: 5 at half, 8 at 80%; 2 s hold 10 and 16 of them, 3 s 24 at 80%."""
    assert seconds(made, "io", "latency") == estimate.JOB_OVERHEAD_S
    assert seconds(made, "io", "latency-80") == estimate.JOB_OVERHEAD_S
    longer = replace(made, profile=replace(made.profile, latency_s=3.0))
    assert seconds(longer, "io", "latency-80") == pytest.approx(
        estimate.JOB_OVERHEAD_S + 6 * (3.1 + estimate.TARGET_OVERHEAD_S)
    )


def test_a_stack_that_is_skipped_is_not_loaded(made: Plan) -> None:
    without = replace(made, skipped={"ant/plain/direct json": Skipped(reason="no json")})
    assert seconds(without, "json", "capacity") < seconds(made, "json", "capacity")


def test_the_pilot_and_the_verifier_are_paid_once(made: Plan) -> None:
    tried = replace(made, profile=replace(made.profile, pilot_s=0.2))
    pilot_s = estimate.JOB_OVERHEAD_S + 9 * (0.2 + 0.1 + estimate.TARGET_OVERHEAD_S)
    assert estimate.once_s(tried) == pytest.approx(estimate.once_s(made) + pilot_s), (
        "what is loaded in windows has no pilot"
    )
    assert estimate.once_s(made) == pytest.approx(
        estimate.DATABASE_S + 3 * (estimate.START_S + estimate.VERIFY_S) + estimate.BLOCK_OVERHEAD_S
    )
