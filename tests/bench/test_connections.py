"""What the database allows is shared out before anything is started: who needs more is left out, and the rest goes on."""

import pytest
from made_stacks import budget, profile, scenario

from bench import catalog
from bench.connections import fit, most_together
from bench.model import BenchError
from bench.plan import GROUP_STACKS, RESERVED_CONNECTIONS, Plan, database_connections, make

FOUND = catalog.load()
PLAIN, MANY, THREADS = (
    "flask/gunicorn-sync/nginx", "flask/gunicorn-sync+workers=20/nginx", "flask/gunicorn-gthread+workers=2/nginx",
)  # fmt: skip


def made(*names: str, copies: int = 1) -> Plan:
    stacks = [catalog.resolve(FOUND, name) for name in names]
    return make(profile(copies=copies), stacks, [scenario("db")], budget(), seed=1)


def ids(plan: Plan) -> list[str]:
    return [one.stack.id for one in plan.stacks]


def test_a_plan_that_fits_stays_as_it_is() -> None:
    plan = made(PLAIN)
    assert fit(plan, 12 + RESERVED_CONNECTIONS) == plan


def test_a_stack_that_needs_more_than_there_are_is_skipped_with_the_reason() -> None:
    found = fit(made(MANY, PLAIN), 29)
    assert ids(found) == [PLAIN]
    assert found.skipped[MANY].reason == (
        "needs 30 database connections (20 workers, 1 at a time, 10 of ours), the database allows 29: "
        "give it fewer workers or threads, or raise the database's max_connections"
    )
    assert ids(fit(made(MANY, PLAIN), 30)) == [MANY, PLAIN]


def test_threads_and_copies_count() -> None:
    assert ids(fit(made(THREADS, PLAIN, copies=2), 2 * 32 + RESERVED_CONNECTIONS)) == [THREADS, PLAIN]
    assert ids(fit(made(THREADS, PLAIN, copies=2), 2 * 32 + RESERVED_CONNECTIONS - 1)) == [PLAIN]


def test_a_stack_above_the_common_cap_is_named() -> None:
    (note,) = fit(made(MANY, PLAIN), 100).notes
    assert note.startswith(f"{MANY}: each of its 20 workers may hold a database connection, more than the 12 ")


def test_a_thread_that_holds_a_connection_of_its_own_counts() -> None:
    """Django's threads do under WSGI, its greenlets and Flask's threads share the pool of their process."""
    threads = ("django/gunicorn-gthread+workers=2/nginx", "django+raw/uwsgi-threads+workers=2/nginx-uwsgi")
    one, none = "django/waitress+threads=13/nginx", "django/waitress+threads=12/nginx"
    bounded = ("django/gunicorn-gevent/nginx", "django/granian-asgi/nginx", "django/gunicorn-sync/nginx", THREADS)
    assert fit(made(*threads, one, none, *bounded), 100).notes == (
        f"{', '.join(threads)}: each of their 32 threads may hold a database connection, "
        "more than the 12 that every deployment is meant to have.",
        f"{one}: each of its 13 threads may hold a database connection, more than the 12 that every deployment is meant to have.",
    )
    (note,) = fit(made("django/gunicorn-sync+workers=20/nginx"), 100).notes
    assert "each of its 20 workers" in note


def test_what_is_alive_together_counts_and_not_what_comes_after_it() -> None:
    assert most_together(made(MANY, PLAIN, copies=2)) == 2 * (20 + 12) + RESERVED_CONNECTIONS
    names = [f"aiohttp/multi+workers={number}/nginx" for number in range(1, GROUP_STACKS + 2)]
    plan = made(*names)
    assert len(plan.groups()) > 1
    assert most_together(plan) == max(database_connections(group, 1) for group in plan.groups())
    assert most_together(plan) < database_connections(plan.stacks, 1)


def test_where_nothing_is_left_the_command_ends() -> None:
    with pytest.raises(BenchError, match=f"^{PLAIN} needs 22 database connections"):
        fit(made(PLAIN), 21)
