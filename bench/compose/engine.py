"""Which Docker engine is used, and what machine it runs on: this one, or another that `DOCKER_HOST` or a context names."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bench.compose.docker import PULL_DEADLINE_S, docker
from bench.machine.topology import Topology, cpu_list, grouped
from bench.model import BenchError

LOOKED_AT_FROM = "python:3.13-slim-trixie"
"""An image that every engine has which runs our stacks."""
_LOCAL = ("unix://", "npipe://", "fd://")
_SCRIPT = """
for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
    siblings=$cpu/topology/thread_siblings_list
    [ -r "$siblings" ] && echo "cpu ${cpu##*/cpu} $(cat "$siblings")"
done
grep -m1 "^model name" /proc/cpuinfo || true
"""

type Value = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One engine as the `docker` command reaches it."""

    version: str
    context: str
    endpoint: str
    """Such as `unix:///var/run/docker.sock` or `ssh://bench@server`."""

    @property
    def remote(self) -> bool:
        """Whether it is, as far as the address tells, on another machine: then its processes, paths and addresses are not ours."""
        return not self.endpoint.startswith(_LOCAL)

    def __str__(self) -> str:
        shown = re.sub(r"://([^:/@]*):[^@]*@", r"://\1:***@", self.endpoint)
        return f"{self.version} at {shown} (context {self.context})"


def choose(context: str | None) -> None:
    """Have every `docker` of this command and its children use `context`; `DOCKER_HOST` would go before it. None: leave it as it is."""
    if context is not None:
        os.environ["DOCKER_CONTEXT"] = context
        os.environ.pop("DOCKER_HOST", None)


def engine() -> Engine:
    """The engine in use. Raises BenchError where none answers."""
    version = docker("version", "--format", "{{.Server.Version}}").strip()
    said = docker("context", "inspect", "--format", "{{.Name}}\t{{.Endpoints.docker.Host}}").strip()
    name, _, endpoint = said.partition("\t")
    # `docker context inspect` tells of the context in use, which DOCKER_HOST goes before.
    return Engine(version=version, context=name, endpoint=os.environ.get("DOCKER_HOST") or endpoint)


def selection() -> dict[str, str]:
    """The variables that lead another `docker` to the engine in use, also if the user's default changes meanwhile."""
    names = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG")
    found = {name: os.environ[name] for name in names if os.environ.get(name)}
    if "DOCKER_HOST" not in found and "DOCKER_CONTEXT" not in found:
        found["DOCKER_CONTEXT"] = docker("context", "show").strip()
    return {name: value for name, value in found.items() if value}


def machine(one: Engine) -> tuple[Topology, dict[str, Value]]:
    """CPUs of an engine's machine, and what `run.json` says of it in place of this one. Raises BenchError."""
    info = json.loads(docker("info", "--format", "{{json .}}"))
    said = docker("run", "--rm", "--network", "none", LOOKED_AT_FROM, "sh", "-c", _SCRIPT, deadline_s=PULL_DEADLINE_S)
    return read_machine(info, said)


def read_machine(info: Mapping[str, object], said: str) -> tuple[Topology, dict[str, Value]]:
    """As `machine`, from what `docker info` and the script printed."""
    try:
        count = int(str(info["NCPU"]))
        found = [line.split() for line in said.splitlines() if line.startswith("cpu ")]
        siblings = {int(words[1]): cpu_list(words[2]) for words in found} or {
            cpu: frozenset({cpu}) for cpu in range(count)
        }
        # What the engine may use; containers see all CPUs of the machine.
        usable = sorted(siblings)[:count] if count < len(siblings) else sorted(siblings)
        model = next(
            (line.partition(":")[2].strip() for line in said.splitlines() if line.startswith("model name")), None
        )
        topology = Topology(cores=grouped(usable, siblings))
        return topology, {
            "host": hashlib.sha256(f"forkloop {info['ID']}".encode()).hexdigest()[:8],
            "os": str(info["OperatingSystem"]), "kernel": f"Linux {info['KernelVersion']}",
            "architecture": str(info["Architecture"]), "cpu_model": model, "cpus": count, "cpus_online": count,
            "cores": len(topology.cores), "quota_cpus": None, "governor": None, "turbo": None,
            "memory_bytes": int(str(info["MemTotal"])), "virtualised": None, "can_pin": True,
        }  # fmt: skip
    except (KeyError, ValueError, IndexError) as error:
        raise BenchError(
            f"docker info of the engine lacks what is needed ({error}): is it Docker Engine 20.10 or newer?"
        ) from None
