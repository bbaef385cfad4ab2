"""The machine and what is installed on it."""

import os
import shutil
from typing import Annotated

from cyclopts import Parameter

from bench import catalog, database, environments, session
from bench.cli import base


@base.app.command
def doctor() -> int:
    """Say whether this machine is fit to measure on: what is in order, what is not, and what to do about it."""
    from bench import doctor as examination

    results = examination.checks(examination.gather(base.RESULTS))
    print(examination.render(results))
    return examination.verdict(results)


@base.app.command
def setup() -> int:
    """Make one environment per application, and the static files. Does nothing where all is there."""
    found = catalog.load()
    session.recover()
    prepared = environments.prepare(found, found.apps.values(), lambda text: print(f"setup: {text}", flush=True))
    if made := prepared.made:
        rest = f"left out: {', '.join(prepared.absent)}" if prepared.absent else "everything works offline from here"
        print(f"setup: done, {made} environment{'s' if made > 1 else ''} made; {rest}")
    environments.prepare_programs(lambda text: print(f"setup: {text}", flush=True))
    return 0


@base.app.command
def lock(*names: str) -> int:
    """Refresh the pins of every environment to the newest versions that fit, and say what changed.

    Parameters
    ----------
    names
        Applications and servers whose pins alone are refreshed; those of all others stay, and are kept to.
    """
    from bench import locking

    def say(text: str) -> None:
        print(f"lock: {text}", flush=True)

    found = catalog.load()
    changes = locking.lock_only(found, names, say) if names else locking.lock(found, say)
    print("\n".join(changes) or "nothing changed")
    return 0


@base.app.command
def clean(*, all_: Annotated[bool, Parameter("--all")] = False) -> int:
    """End what an interrupted command left behind; with DATABASE_URL set, also drop our schema from that database.

    Parameters
    ----------
    all_
        Also remove the applications' environments and caches (not the results); `make setup` makes them anew.
    """
    for line in session.recover():
        print(line)
    given = os.environ.get("DATABASE_URL")
    if given and database.drop(given):
        print(f"dropped the schema {database.SCHEMA} from {database.masked(given)}")
    if all_:
        for folder in (environments.HOME, environments.STATIC.parent):
            shutil.rmtree(folder, ignore_errors=True)
            print(f"removed {base.shown(folder)}")
    return 0
