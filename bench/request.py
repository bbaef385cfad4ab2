"""From the words of the command line, or from a stored run that was interrupted, to a plan."""

import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bench import catalog, connections, plan, provenance, versions
from bench import sweep as sweeping
from bench.catalog import Catalog
from bench.machine import describe, place
from bench.manifest import nearest
from bench.model import BenchError, Budget
from bench.plan import Plan, Profile
from bench.service import allowed_connections
from bench.site import machine_of
from bench.store import read_run

FOREIGN_DATABASE = "The database of DATABASE_URL runs where its owner put it: it is bound to no CPU, and those meant for it stay unused."
_UNITS_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def fresh(
    found: Catalog, *, profile: str, stacks: Sequence[str], scenarios: Sequence[str], sweep: Sequence[str] = (),
    with_: Sequence[str] = (), cpus: str | None = None, load_workers: bool = False, mode: str,
    seed: int | None, precision: str | None = None, time_budget: str | None = None,
) -> Plan:  # fmt: skip
    """The plan for a new run. Raises BenchError for names that do not exist and numbers that mean nothing."""
    if profile not in plan.PROFILES:
        raise BenchError(f"unknown profile '{profile}'.{nearest(profile, list(plan.PROFILES))}")
    chosen = paced(plan.PROFILES[profile], precision, time_budget)
    picked = versions.beside(found, catalog.select_stacks(found, stacks or chosen.stacks), with_)
    if mode == "compose" and (other := next((one for one in picked if one.app.version), None)):
        raise BenchError(f"{other.id}: other versions are measured on this machine only; leave --mode compose out")
    asked = catalog.select_scenarios(found, scenarios) if scenarios else sweeping.scenarios(found, chosen.scenarios)
    if sweep or stacks:
        swept = sweeping.sweep(found, picked, asked, sweeping.axes(found, sweep))
    else:
        swept = sweeping.beside(found, picked, asked, over=chosen.sweep, only=chosen.swept_scenarios)
    budget = place(machine_of(mode)[0], cpus)
    if load_workers:
        budget = replace(budget, load_each=True)
        if len(budget.load_cpus) < 2 or not budget.pinned:
            raise BenchError(
                "--load-workers: the generator has one CPU, or is bound to none; give it more: --cpus load=..."
            )
    made = plan.make(
        chosen, swept.stacks, swept.scenarios, budget,
        seed=secrets.randbelow(10**6) if seed is None else seed, refused=swept.left_out, mode=mode,
    )  # fmt: skip
    made = connections.fit(made, allowed_connections(mode))
    if mode == "native" and os.environ.get("DATABASE_URL"):
        made = replace(made, notes=(*made.notes, FOREIGN_DATABASE))
    return made


def again(found: Catalog, folder: Path, *, precision: str | None = None, time_budget: str | None = None) -> Plan:
    """The plan of a stored run, to go on with it. Raises BenchError where what it measured is not what is here now."""
    header = read_run(folder).header
    stored = header.get("plan") or {}
    try:
        known: dict[str, Any] = {one.name: stored["profile"][one.name] for one in fields(Profile)}
        values: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in known.items()}
        profile = Profile(**values)
        stacks = catalog.select_stacks(found, [one["id"] for one in stored["stacks"]])
        scenarios = [sweeping.scenario(found, one) for one in stored["scenarios"]]
        placed = header["placement"]
        budget = Budget(
            server_cpus=frozenset(placed["server"]), load_cpus=frozenset(placed["load"]),
            front_cpus=frozenset(placed["front"]) - frozenset(placed["server"]),
            database_cpus=frozenset(placed["database"]), pinned=placed["pinned"], notes=tuple(placed["shared"]),
            load_each=placed.get("load_workers", 1) > 1,
        )  # fmt: skip
        made = plan.make(
            paced(profile, precision, time_budget), stacks, scenarios, budget, seed=header["seed"], mode=header["mode"],
            # As stored: why a stack, or one of its scenarios, was left out cannot be told from what was kept.
            refused={one["id"]: one["reason"] for one in stored["skipped"]},
        )  # fmt: skip
        made = replace(made, notes=tuple(header.get("notes") or budget.notes))
    except (AttributeError, KeyError, TypeError) as error:
        raise BenchError(f"{folder / 'run.json'}: is older than --resume, or damaged: {error} is missing") from None
    now = {
        "environment": {**describe(), **machine_of(made.mode)[1]},
        "hashes": provenance.hashes(found, made.stacks, made.scenarios),
    }
    provenance.refuse_unlike(header, now)
    return made


def paced(profile: Profile, precision: str | None, time_budget: str | None) -> Profile:
    """`profile` with the precision and time asked for, where they are."""
    if precision is not None:
        # Blocks beyond the plan take the time that they take.
        profile = replace(profile, precision=_share(precision), load_until_s=None)
    if time_budget is not None:
        profile = replace(profile, budget_s=duration_s(time_budget, "--time-budget"))
    return profile


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise BenchError(f"--precision {text}: expected a share such as 3% or 0.03")
    return share


def duration_s(text: str, option: str) -> float:
    """Seconds of a time such as 30m or 1h30m. Raises BenchError, naming the option."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(min|[smh])", text.strip())
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != re.sub(r"\s", "", text):
        raise BenchError(f"{option} {text}: expected a time such as 30m, 90s or 1h30m")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
