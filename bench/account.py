"""What each deployment used while it was loaded, from snapshots before and after."""

from collections.abc import Sequence
from typing import Any

from bench import sample
from bench.deployment import Deployment, application_name
from bench.model import Role
from bench.service import Database

ROLES: tuple[Role, ...] = ("app", "front")


def accounts(deployment: Deployment, snapshots: Sequence[sample.Snapshot]) -> dict[str, Any]:
    """CPU seconds by role over the measured window, memory right after it, and the host's steal."""
    before, after = snapshots
    used = {role: sample.used(before, after, f"{deployment.id} {role}") for role in ("app", "front", "database")}
    if not deployment.planned.stack.front.processes:
        used["front"] = None
    used["generator"] = sample.used(before, after, "generator")
    roles = [role for role in ROLES if deployment.pids(role)]
    return {
        "cpu_s": used,
        "pss_bytes": {role: sample.pss_bytes(deployment.pids(role)) for role in roles},
        "processes": {role: len(deployment.pids(role)) for role in roles},
        "host": {"steal": sample.steal_share(before, after), "load1": sample.load_average()},
    }


def snapshot(database: Database, ready: Sequence[Deployment], generator: int) -> sample.Snapshot:
    """CPU accounts of the deployments by role, of their own database connections, and of the generator."""
    groups: dict[str, list[int]] = {"generator": [generator]}
    backends = database.backends()
    for deployment in ready:
        for role in ROLES:
            groups[f"{deployment.id} {role}"] = deployment.pids(role)
        name = application_name(deployment.id)
        groups[f"{deployment.id} database"] = [pid for pid, owner in backends.items() if owner == name]
    return sample.take(groups)
