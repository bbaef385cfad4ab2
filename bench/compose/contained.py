"""Containers as deployments see them: their first process where this machine sees it, else what `docker exec` tells of the inside."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.compose import docker
from bench.deployment import Census
from bench.machine.topology import cpu_list
from bench.model import Role
from bench.processes import started_s

_LOOK = r"""
for entry in /proc/[0-9]*; do
    pid=${entry#/proc/}
    [ "$pid" = "$$" ] && continue
    words=$(tr '\000' '\037' <"$entry/cmdline" 2>/dev/null) || continue
    [ -n "$words" ] || continue
    printf '%s\t%s\t%s\n' "$pid" "$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$entry/status")" "$words"
done
"""
_SELF = "cat /proc/sys/kernel/random/boot_id; sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 20"


@dataclass(kw_only=True)
class Contained:
    """A container's first process, as the host sees it. Stands where a `session.Spawned` stands natively.

    `pid` is 0 where it runs out of sight of this machine.
    """

    id: str
    service: str
    pid: int
    started: float
    role: Role
    argv: tuple[str, ...]
    log: Path

    def exit_code(self) -> int | None:
        """None while it runs."""
        if self.pid and psutil.pid_exists(self.pid):
            try:
                if abs(started_s(self.pid) - self.started) < 1:
                    return None
            except psutil.Error:
                pass
        state = docker.inspect([self.id])[0]["State"]
        if state["Running"]:
            return None
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text(logs(self.id), encoding="utf-8")
        return int(state["ExitCode"])


def look(container: str, role: Role) -> list[Census]:
    """The processes inside, numbered as they are there, with the CPUs each may use. Raises BenchError."""
    found = []
    for line in docker.docker("exec", container, "sh", "-c", _LOOK).splitlines():
        pid, cpus, words = line.split("\t", 2)
        argv = tuple(word for word in words.split("\x1f") if word)
        found.append(Census(pid=int(pid), role=role, argv=argv, cpus=tuple(sorted(cpu_list(cpus)))))
    return found


def in_sight(inspected: dict[str, Any]) -> bool:
    """Whether the number that Docker gives for a container's first process is that process here too: asked of the kernel it runs on."""
    pid = int(inspected["State"]["Pid"])
    if sys.platform != "linux" or not pid:
        return False
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name in parentheses may hold blanks: fields count from after it, where the third begins.
        started = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return False
    return docker.docker("exec", inspected["Id"], "sh", "-c", _SELF).split() == [boot, started]


def addresses(inspected: dict[str, Any]) -> Sequence[str]:
    """Its addresses on the project's network."""
    return [one["IPAddress"] for one in inspected["NetworkSettings"]["Networks"].values() if one["IPAddress"]]


def logs(container: str) -> str:
    """The end of what it printed."""
    run = subprocess.run(
        ["docker", "logs", "--tail", "60", container], capture_output=True, text=True, check=False, timeout=30
    )
    return run.stdout + run.stderr


def nginx_version(container: str) -> str:
    """Such as `1.28.0`."""
    run = subprocess.run(
        ["docker", "exec", container, "nginx", "-v"], capture_output=True, text=True, check=False, timeout=30
    )
    return run.stderr.strip().rpartition("/")[2]
