"""The `docker` command: called with a deadline, its failures as one clear line each."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

from bench.model import BenchError

PROJECT_LABEL = "com.docker.compose.project"
DEADLINE_S = 60.0
BUILD_DEADLINE_S = 900.0
PULL_DEADLINE_S = 300.0


class DockerFailedError(BenchError):
    """`docker` ended with an error, or not in time. `said` is all that it printed."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


def docker(*arguments: str, deadline_s: float = DEADLINE_S) -> str:
    """What `docker ARGUMENTS` printed. Raises DockerFailedError with the remedy for what is known, else with Docker's own last lines.

    In a session of its own: Ctrl-C reaches us, and we end what it started.
    """
    if shutil.which("docker") is None:
        raise BenchError(
            "docker is not on the path: install Docker Engine with Compose v2, or leave --mode compose out"
        )
    try:
        run = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, check=False, timeout=deadline_s,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        # What was read by then is bytes, whatever was asked for: https://docs.python.org/3/library/subprocess.html
        read = [one.decode(errors="replace") for one in (error.stdout, error.stderr) if isinstance(one, bytes)]
        late = f"docker {' '.join(arguments[:6])}: no answer within {deadline_s:.0f} s"
        raise DockerFailedError(late, "".join(read)) from None
    if run.returncode:
        raise DockerFailedError(explained(arguments, run.stderr.strip() or run.stdout.strip()), run.stdout + run.stderr)
    return run.stdout


def explained(arguments: Sequence[str], said: str) -> str:
    """One line for what Docker said, with what to do about it."""
    last = said.splitlines()[-1].strip() if said else "it said nothing"
    if "Cannot connect to the Docker daemon" in said or "docker daemon is not running" in said:
        return (
            "the Docker daemon does not answer: start it (systemctl start docker), or set DOCKER_HOST to one that runs"
        )
    if "permission denied" in said and "docker" in said and "sock" in said:
        return "this user may not talk to the Docker daemon: join the group docker, or use rootless Docker"
    if "is not a docker command" in said or "unknown shorthand flag" in said:
        return "Docker has no Compose v2: install the package docker-compose-plugin (docker compose version shows it)"
    if "context" in said and "not found" in said:
        return f"no such Docker context: `docker context ls` lists them, `docker context create` adds one ({last})"
    if "CPUs are not available" in said or "cpuset.cpus" in said:
        return f"the engine's machine lacks CPUs of the placement: choose others with --cpus ({last})"
    if "port is already allocated" in said or "address already in use" in said:
        return f"a port is published already: end what listens there, or set FORKLOOP_PORT ({last})"
    if "No such image" in said or "pull access denied" in said or "failed to resolve" in said:
        return f"an image is missing and cannot be fetched: build or load it, then try again ({last})"
    return f"docker {' '.join(arguments[:6])} failed: " + " | ".join(said.splitlines()[-3:])


def inspect(ids: Sequence[str]) -> list[dict[str, Any]]:
    """What Docker knows of these containers."""
    if not ids:
        return []
    found: list[dict[str, Any]] = json.loads(docker("container", "inspect", *ids))
    return found


def containers(project: str) -> list[str]:
    """Ids of all containers of a project, ended ones included."""
    return docker("ps", "-aq", "--no-trunc", "--filter", f"label={PROJECT_LABEL}={project}").split()
