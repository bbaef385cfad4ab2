"""What stands in for deploying: nothing is started, and what was asked for is written down in order."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from bench.deployment import Deployment
from bench.model import Failed
from bench.plan import PlannedStack
from bench.render import Endpoint, Rendered
from bench.session import Spawned

NO_SUCH_PROCESS = 2**27  # above every pid_max


class FakeLauncher:
    """Deployments without processes. `broken` stacks do not start; `codes` says by deployment id who has exited, and how."""

    def __init__(self, work: list[Any], tmp_path: Path) -> None:
        self.work = work
        self.log = tmp_path / "app.log"
        self.log.write_text("Traceback\nValueError: no")
        self.broken: dict[str, Failed] = {}
        self.codes: dict[str, int] = {}
        self.up: list[str] = []
        self.ports = itertools.count(20000)

    def start(
        self, wanted: Sequence[tuple[PlannedStack, int]], *, block: int, mark: str = "", env: Mapping[str, str] | None = None,
        supervised: bool = False,
    ) -> list[Deployment]:  # fmt: skip
        deployments = [self._deployment(planned, copy, f"{block}{mark}") for planned, copy in wanted]
        self.work.append(("start", [one.id for one in deployments]))
        self.up += [one.id for one in deployments]
        return deployments

    def stop(self, deployments: Sequence[Deployment]) -> None:
        self.work.append(("stop", [one.id for one in deployments]))
        for deployment in deployments:
            self.up.remove(deployment.id)

    def versions(self, deployment: Deployment) -> dict[str, str]:
        return {"flask": "3.1"}

    def _deployment(self, planned: PlannedStack, copy: int, block: str) -> Deployment:
        name = f"{block}-{planned.stack.slug}-{copy}"
        endpoint = Endpoint(host="127.0.0.1", port=next(self.ports))
        spawned = Spawned(
            pid=NO_SUCH_PROCESS, started=0.0, role="app", argv=("serve",), log=self.log,
            popen=cast(Any, SimpleNamespace(poll=lambda: self.codes.get(name))),
        )  # fmt: skip
        return Deployment(
            id=name, planned=planned, copy=copy, spawned=[spawned], failure=self.broken.get(planned.stack.id),
            rendered=Rendered(commands=(), files={}, folders=(), client=endpoint, servers=(endpoint,)),
        )  # fmt: skip
