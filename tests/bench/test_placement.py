"""`--cpus`: what it names, what is filled in, and every mistake as one line."""

import os
import sys

import pytest

from bench.machine import Topology, place, placement
from bench.machine.budget import SHARED_DATABASE, default_budget
from bench.model import BenchError, Budget

EIGHT = Topology(cores=tuple((cpu,) for cpu in range(8)))
THREADS = Topology(cores=((0, 4), (1, 5), (2, 6), (3, 7)))
TWO = Topology(cores=((0,), (1,)))


def sides(budget: Budget) -> dict[str, str]:
    named = {
        "server": budget.server_cpus, "front": budget.front_cpus, "db": budget.database_cpus, "load": budget.load_cpus,
    }  # fmt: skip
    return {side: placement.ranges(cpus) for side, cpus in named.items()}


@pytest.mark.parametrize(
    ("topology", "given", "expected"),
    [
        (EIGHT, "server=0-3,db=4,load=5-7", {"server": "0-3", "front": "", "db": "4", "load": "5-7"}),
        (EIGHT, "server=0,2-3, db=1 ,load=4", {"server": "0,2-3", "front": "", "db": "1", "load": "4"}),
        (EIGHT, "server=0-3", {"server": "0-3", "front": "", "db": "7", "load": "4-6"}),
        (EIGHT, "load=6-7", {"server": "0-4", "front": "", "db": "5", "load": "6-7"}),
        (EIGHT, "front=0", {"server": "1-5", "front": "0", "db": "7", "load": "6"}),
        (EIGHT, "server=0-5,load=6-7", {"server": "0-5", "front": "", "db": "6-7", "load": "6-7"}),
        (THREADS, "front=0", {"server": "1,4-5", "front": "0", "db": "3,7", "load": "2,6"}),
        (THREADS, "server=0-1,4-5", {"server": "0-1,4-5", "front": "", "db": "3,7", "load": "2,6"}),
        (TWO, "server=1", {"server": "1", "front": "", "db": "0", "load": "0"}),
    ],
)
def test_what_is_not_named_gets_what_is_left_by_whole_cores(
    topology: Topology, given: str, expected: dict[str, str]
) -> None:
    assert sides(place(topology, given)) == expected


def test_without_a_word_the_rule_holds() -> None:
    assert place(THREADS) == default_budget(THREADS)


@pytest.mark.parametrize(
    ("topology", "given", "note"),
    [
        (TWO, "server=1", SHARED_DATABASE),
        (EIGHT, "server=0-1,db=2,load=3", "CPUs 4-7 stay unused, as --cpus says."),
        (
            THREADS, "server=0-2,load=4,db=3",
            "CPUs 0 and 4 are threads of one core, shared by server and load: each slows the other.",
        ),
        (
            Topology(cores=EIGHT.cores, quota_cpus=2.5), "server=0-3,db=4,load=5",
            "A cgroup allows 2.5 CPUs and --cpus names 6: everything is throttled together.",
        ),
    ],
)  # fmt: skip
def test_what_makes_the_figures_worse_is_said(topology: Topology, given: str, note: str) -> None:
    assert note in place(topology, given).notes


def test_a_placement_that_shares_nothing_needs_no_words() -> None:
    assert place(EIGHT, "server=0-3,db=4,load=5-7").notes == ()
    assert place(THREADS, "server=0-1,4-5,db=2,6,load=3,7").notes == ()


@pytest.mark.parametrize(
    ("topology", "given", "says"),
    [
        (TWO, "0-1", "--cpus 0-1: expected SIDE=CPUS, as in server=0-3,db=4,load=5-7"),
        (TWO, "sever=0", "--cpus sever=0: unknown side 'sever'. Did you mean server?"),
        (TWO, "db=0,load=1,db=1", "--cpus db=0,load=1,db=1: db is named twice; give all its CPUs at once, as in db=0-3,6"),
        (TWO, "db=", "--cpus db=: db= is no list of CPUs; write it as in db=0-3,6"),
        (TWO, "server=one", "--cpus server=one: server=one is no list of CPUs; write it as in server=0-3,6"),
        (TWO, "server=1-0", "--cpus server=1-0: server=1-0 is no list of CPUs; write it as in server=0-3,6"),
        (
            EIGHT, "load=5-9",
            "--cpus load=5-9: CPU 8-9 of load does not exist or may not be used here; usable: 0-7",
        ),
        (
            EIGHT, "server=0-4,load=4-5",
            "--cpus server=0-4,load=4-5: CPU 4 is given to both server and load; give each its own",
        ),
        (
            EIGHT, "load=4,server=0-3,db=4",
            "--cpus load=4,server=0-3,db=4: CPU 4 is given to both load and db; give each its own, "
            "or leave db out: it then has the generator's where none is left",
        ),
        (
            EIGHT, "server=0-3,front=0",
            "--cpus server=0-3,front=0: CPU 0 is given to both server and front; give each its own, "
            "or leave front out: it then has the server's",
        ),
        (TWO, "server=0-1", "--cpus server=0-1: no CPU is left for the generator; give the other sides fewer of 0-1"),
        (TWO, "db=0,load=1", "--cpus db=0,load=1: no CPU is left for the stacks; give the other sides fewer of 0-1"),
        (
            Topology(cores=TWO.cores, can_pin=False), "server=0",
            "--cpus server=0: This platform cannot pin processes: the sides compete for all CPUs, and the operating system decides. "
            "Leave --cpus out here",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_the_remedy(topology: Topology, given: str, says: str) -> None:
    with pytest.raises(BenchError) as caught:
        place(topology, given)
    assert str(caught.value) == says


def test_every_role_has_cpus_and_none_is_bound_where_nothing_can_be() -> None:
    budget = place(EIGHT, "server=0-3,db=4,load=5-6,front=7")
    roles = {role: placement.ranges(budget.pins(role)) for role in ("app", "front", "database", "generator", "service")}
    assert roles == {"app": "0-3", "front": "7", "database": "4", "generator": "5-6", "service": "4"}
    assert place(EIGHT, "server=0-3").pins("front") == {0, 1, 2, 3}, "a front shares the server's"
    loose = default_budget(Topology(cores=TWO.cores, can_pin=False))
    assert (loose.cpus("app"), loose.pins("app")) == ({0}, frozenset())


def test_the_placement_in_words() -> None:
    assert placement.words(place(EIGHT, "server=0-3,db=4,load=5-7")) == (
        "CPUs: stacks 0-3 (fronts included), database 4, generator 5-7"
    )
    assert "stacks 0-2, fronts 3, database" in placement.words(place(EIGHT, "server=0-2,front=3"))
    assert placement.words(default_budget(Topology(cores=TWO.cores, can_pin=False))).endswith("; meant so, not bound")


@pytest.mark.skipif(sys.platform != "linux", reason="binds processes")
def test_where_a_process_may_run_is_read_back() -> None:
    mine = os.sched_getaffinity(0)
    placement.check([os.getpid()], mine, "the test")
    placement.check([os.getpid()], (), "the test")
    placement.check([2**22 + 1], {9999}, "nobody")
    with pytest.raises(
        BenchError, match=r"^the test \(process \d+\) may use CPUs .*, and 9999 were planned; see what binds"
    ):
        placement.check([os.getpid()], {9999}, "the test")
