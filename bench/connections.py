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
    """The plan without stacks that alone could hold more than `allowed` connections, and with notes of those above the common cap.

    Raises BenchError where nothing is left.
    """
    kept, skipped = [], dict(made.skipped)
    above: dict[tuple[int, str], list[str]] = {}
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
        if one.connections_max > DATABASE_CONNECTIONS_PER_STACK:
            holders = "threads" if one.binds_threads and one.threads > 1 else "workers"
            above.setdefault((one.connections_max, holders), []).append(name)
    if not kept:
        name = made.stacks[0].stack.id
        raise BenchError(f"{name} {skipped[name].reason}")
    notes = [
        f"{', '.join(names)}: each of {'its' if len(names) == 1 else 'their'} {count} {holders} may hold a database connection, "
        f"more than the {DATABASE_CONNECTIONS_PER_STACK} that every deployment is meant to have."
        for (count, holders), names in above.items()
    ]
    return replace(made, stacks=tuple(kept), skipped=skipped, notes=(*made.notes, *notes))
