"""Database connections: every stack has the same cap, and all that are alive together stay under what the database allows."""

from dataclasses import replace

from bench.model import BenchError, Skipped
from bench.plan import DATABASE_CONNECTIONS_PER_STACK, RESERVED_CONNECTIONS, Plan, database_connections

MOST = 2000
"""For how many connections a database of ours is started at most: each takes memory, and those of PostgreSQL are processes."""


def most_together(made: Plan) -> int:
    """How many connections the stacks that are alive at once may hold, with what is kept for ourselves."""
    return max(database_connections(group, made.profile.copies) for group in made.groups())


def fit(made: Plan, allowed: int) -> Plan:
    """The plan without stacks that alone could hold more than `allowed` connections, and with a note for each above the common cap.

    Raises BenchError where nothing is left.
    """
    kept, skipped, notes = [], dict(made.skipped), list(made.notes)
    for one in made.stacks:
        name = one.stack.id
        needed = database_connections([one], made.profile.copies)
        if needed > allowed:
            skipped[name] = Skipped(
                reason=f"needs {needed} database connections ({one.workers} workers, {made.profile.copies} at a time, "
                f"{RESERVED_CONNECTIONS} of ours), the database allows {allowed}: give it fewer workers or threads, "
                "or raise the database's max_connections"
            )
            continue
        kept.append(one)
        if one.workers > DATABASE_CONNECTIONS_PER_STACK:
            notes.append(
                f"{name}: each of its {one.workers} workers may hold a database connection, "
                f"more than the {DATABASE_CONNECTIONS_PER_STACK} that every deployment is meant to have."
            )
    if not kept:
        name = made.stacks[0].stack.id
        raise BenchError(f"{name} {skipped[name].reason}")
    return replace(made, stacks=tuple(kept), skipped=skipped, notes=tuple(notes))
