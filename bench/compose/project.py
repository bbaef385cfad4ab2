"""Compose services for planned stacks: from the manifests through the same `render` as on the machine itself, only the Site differs.

Each command is a container: N processes with addresses of their own are N containers. Several that share one address share a network.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import faults
from bench.companions import celery_command, upstream_command, valkey_command
from bench.database.embedded import SETTINGS
from bench.database.url import application_url
from bench.deployment import application_name
from bench.languages import go
from bench.model import App, BenchError, Server, Stack
from bench.plan import PlannedStack
from bench.render import Command, Rendered, Site, ports_needed, render

NGINX, POSTGRES, VALKEY = "nginx:1.28", "postgres:17", "valkey/valkey:8.1"
SERVER_PORT, FRONT_PORT, UPSTREAM_PORT, VALKEY_PORT = 8000, 8080, 8001, 6379
DATABASE = "postgresql://forkloop:forkloop@postgres:5432/forkloop"
"""Reached on the project's own network only; the password keeps nobody out who could get there."""
ENVIRONMENT = Path("/venv")
"""The application's environment, as the images have it."""
RUN = Path("/run/forkloop")
"""Sockets: one volume in memory for each stack."""
FRONT = Path("/run/front")
"""nginx's own folder, in memory."""
_OWNER = "uid=10001,gid=10001,mode=0755"
"""The user of the images: see deploy/images."""
RECIPES = {"python": "app", "node": "node", "go": "go"}
"""From an application's language to the file in deploy/images that builds its image."""
READY = {"interval": "1s", "timeout": "5s", "retries": 60}
"""Only in the file for a person to look at a stack: in a run, checks would take CPU time from what is measured."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A stack to be rendered: `name` begins the names of its services, `id` names it to the database."""

    planned: PlannedStack
    name: str
    id: str
    env: Mapping[str, str] = field(default_factory=dict)
    """What else the application's environment holds."""
    supervised: bool = False
    """Whether Docker starts a container of the application again that ends."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One stack's services, what was rendered, and which service clients connect to."""

    services: Mapping[str, Any]
    volumes: Mapping[str, Any]
    configs: Mapping[str, Any]
    rendered: Rendered
    client: str


def project(placed: Sequence[Placed], *, extra: Mapping[str, Any]) -> dict[str, Any]:
    """One Compose file: the stacks' services behind those of `extra`."""
    merged: dict[str, Any] = {"services": dict(extra), "volumes": {"static": None}, "configs": {}}
    for one in placed:
        merged["services"].update(one.services)
        merged["volumes"].update(one.volumes)
        merged["configs"].update(one.configs)
    return {key: value for key, value in merged.items() if value}


def place(
    member: Member, servers: Sequence[Server], *, cpus: str | None, profile: str | None = None, checked: bool = False,
    publish: str | None = None, front_cpus: str | None = None,
) -> Placed:  # fmt: skip
    """The services of one stack, on the CPUs that `cpus` lists. `servers`: all whose pins the image holds.

    `front_cpus` are the front's where it has others.

    `checked` adds health checks; `publish` is what the client's port is published as, such as `127.0.0.1:8000`.
    """
    if publish is not None and faults.are_on(member.env):
        raise BenchError(f"{member.name}: an application with faults on request is not published outside its network")
    stack, rendered = member.planned.stack, rendered_in_containers(member)
    common: dict[str, Any] = {"init": False, "restart": "no", "stop_grace_period": "3s"}
    if cpus is not None:
        common["cpuset"] = cpus
    if profile is not None:
        common["profiles"] = [profile]
    apps = [command for command in rendered.commands if command.role == "app"]
    names = _names(member, len(apps))
    sockets = f"{member.name}-run"
    services: dict[str, Any] = {}
    for number, (name, command) in enumerate(zip(names, apps, strict=True)):
        service = _app(stack, command, servers, common)
        if member.supervised:
            service["restart"] = "always"
        if rendered.servers[0].socket:
            service["volumes"] = ["static:/static:ro", f"{sockets}:{RUN}"]
        if len(apps) > 1 and stack.server.endpoints == "one":
            # The others are in the first one's network, where all listen at the address that the front knows.
            alone = {"networks": {"default": {"aliases": [f"{member.name}-app"]}}}
            service.update({"network_mode": f"service:{names[0]}"} if number else alone)
        if checked:
            service["healthcheck"] = {"test": _app_check(rendered, number % len(rendered.servers), stack), **READY}
        service["depends_on"] = {"postgres": {"condition": "service_healthy"}}
        services[name] = service
    client, configs = names[0], {}
    if stack.front.processes:
        client = f"{member.name}-front"
        ((path, text),) = rendered.files.items()
        config = f"nginx-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        configs[config] = {"content": text.replace("$", "$$")}
        services[client] = _front(stack, rendered, common, config, path, names, checked)
        if front_cpus is not None:
            services[client]["cpuset"] = front_cpus
        if rendered.servers[0].socket:
            services[client]["volumes"].append(f"{sockets}:{RUN}")
    if publish is not None:
        services[client]["ports"] = [f"{publish}:{rendered.client.port}"]
    memory = {"driver": "local", "driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": _OWNER}}
    volumes = {sockets: memory} if rendered.servers[0].socket else {}
    return Placed(services=services, volumes=volumes, configs=configs, rendered=rendered, client=client)


def rendered_in_containers(member: Member) -> Rendered:
    """Command lines and nginx.conf with the paths, hosts and ports of the containers. Raises BenchError."""
    planned = member.planned
    stack = planned.stack
    if stack.app.language not in RECIPES:
        raise BenchError(f"{stack.id}: no image is built for {stack.app.language} yet; it runs natively")
    count = max(1, ports_needed(planned))
    first = [FRONT_PORT] if stack.front.processes else []
    site = Site(
        front_dir=FRONT, config=Path("/etc/nginx/nginx.conf"),
        host="0.0.0.0", ports=[*first, *[SERVER_PORT] * count][:count], folder=RUN, app_dir=Path("/app"),
        env_dir=ENVIRONMENT, runners=Path("/runners"), static_dir=Path("/static"), shm=Path("/dev/shm"),
        tools={"nginx": "nginx"}, user="nobody nogroup",
        database_url=application_url(DATABASE, application_name=application_name(member.id)),
        names=_names(member, planned.workers if stack.server.endpoints == "many" else 1), extra=member.env,
    )  # fmt: skip
    return render(planned, site)


def database(*, cpus: str | None, connections: int, publish: bool) -> dict[str, Any]:
    """PostgreSQL with the settings of the embedded one; `publish`: for a run, which asks it itself."""
    settings = {**SETTINGS, "listen_addresses": "*", "max_connections": str(connections)}
    service: dict[str, Any] = {
        "image": POSTGRES,
        "command": ["postgres", *[word for name, value in settings.items() for word in ("-c", f"{name}={value}")]],
        "environment": {"POSTGRES_USER": "forkloop", "POSTGRES_PASSWORD": "forkloop", "POSTGRES_DB": "forkloop"},
        "shm_size": "512mb", "stop_grace_period": "3s",
    }  # fmt: skip
    if cpus is not None:
        service["cpuset"] = cpus
    if publish:
        service["ports"] = ["127.0.0.1::5432"]
    else:
        # By TCP: while the image fills its data folder, a first server listens on the socket alone.
        service["healthcheck"] = {"test": ["CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", "forkloop"], **READY}
    return service


def suite(*, cpus: str | None) -> dict[str, Any]:
    """The image with the suite itself: it loads, and fills the database."""
    service: dict[str, Any] = {
        "image": "forkloop-suite",
        "build": {"context": ".", "dockerfile": "deploy/images/suite.Dockerfile", "network": "host"},
    }
    return service if cpus is None else {**service, "cpuset": cpus}


def upstream(*, cpus: str) -> dict[str, Any]:
    """The service that others call."""
    return {
        **suite(cpus=cpus),
        "command": upstream_command("python", "0.0.0.0", UPSTREAM_PORT),
        "stop_grace_period": "2s",
    }


def valkey(*, checked: bool = False) -> dict[str, Any]:
    """The broker for tasks that leave the request. `checked` adds a health check."""
    service: dict[str, Any] = {"image": VALKEY, "command": valkey_command("valkey-server", "0.0.0.0", VALKEY_PORT)}
    if checked:
        service["healthcheck"] = {"test": ["CMD", "valkey-cli", "-p", str(VALKEY_PORT), "ping"], **READY}
    return service


def celery(app: App, servers: Sequence[Server], *, cpus: str, processes: int, env: Mapping[str, str]) -> dict[str, Any]:
    """A worker from the application's own image."""
    program = str(ENVIRONMENT / "bin" / "celery")
    return {
        "image": image(app), "build": build(app, servers), "command": celery_command(program, processes), "cpuset": cpus,
        "environment": {"PATH": f"{ENVIRONMENT / 'bin'}:/usr/bin:/bin", "HOME": "/tmp", "PYTHONUNBUFFERED": "1", **env},
        "stop_grace_period": "2s",
    }  # fmt: skip


def image(app: App) -> str:
    """The image of an application."""
    return f"forkloop-{app.name}"


def _names(member: Member, count: int) -> list[str]:
    return [f"{member.name}-app-{number}" for number in range(count)] if count > 1 else [f"{member.name}-app"]


def _app(stack: Stack, command: Command, servers: Sequence[Server], common: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "image": image(stack.app),
        "build": build(stack.app, servers),
        "command": [word.replace("$", "$$") for word in command.argv],
        "environment": {key: value.replace("$", "$$") for key, value in command.env.items()},
        "volumes": ["static:/static:ro"], **common,
    }  # fmt: skip


def build(app: App, servers: Sequence[Server]) -> dict[str, Any]:
    """How the application's image is made."""
    return {
        "context": ".", "dockerfile": f"deploy/images/{RECIPES[app.language]}.Dockerfile", "network": "host",
        "args": _arguments(app, servers),
    }  # fmt: skip


def _arguments(app: App, servers: Sequence[Server]) -> dict[str, str]:
    """What the recipe of the application's language asks for."""
    if app.language == "python":
        pinned = sorted(server.name for server in servers if (server.folder / "requirements.txt").exists())
        return {"APP": app.name, "SERVERS": " ".join(pinned)}
    return {"APP": app.name, "BINARY": go.binary(app)} if app.language == "go" else {"APP": app.name}


def _front(
    stack: Stack,
    rendered: Rendered,
    common: Mapping[str, Any],
    config: str,
    path: Path,
    names: Sequence[str],
    checked: bool,
) -> dict[str, Any]:
    (command,) = [one for one in rendered.commands if one.role == "front"]
    condition = "service_healthy" if checked else "service_started"
    service: dict[str, Any] = {
        "image": NGINX, "command": list(command.argv), "configs": [{"source": config, "target": str(path)}],
        "tmpfs": [f"{FRONT}:mode=0755"], "volumes": ["static:/static:ro"],
        "depends_on": {name: {"condition": condition} for name in names}, **common,
    }  # fmt: skip
    if checked:
        service["healthcheck"] = {"test": ["CMD", "bash", "-c", _asking("127.0.0.1", FRONT_PORT)], **READY}
    return service


def _app_check(rendered: Rendered, number: int, stack: Stack) -> list[str]:
    """`/healthz` answers 200; of a server that does not speak HTTP, that it accepts a connection."""
    endpoint = rendered.servers[number]
    if endpoint.socket is None and stack.server.speaks == "http":
        return ["CMD", "bash", "-c", _asking("127.0.0.1", endpoint.port)]
    target = (
        f"socket.AF_UNIX, {str(endpoint.socket)!r}"
        if endpoint.socket
        else f"socket.AF_INET, ('127.0.0.1', {endpoint.port})"
    )
    code = f"import socket; family, place = {target}; s = socket.socket(family); s.settimeout(4); s.connect(place); "
    if stack.server.speaks == "http":
        code += "s.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n'); assert b' 200 ' in s.recv(99)"
    if stack.app.language == "python":
        return ["CMD", "/venv/bin/python", "-c", code]
    # Every image is made from Python's, whose interpreter is not on the path that the application is given.
    return ["CMD", "env", "PATH=/usr/local/bin:/usr/bin:/bin", "python3", "-c", code]


def _asking(host: str, port: int) -> str:
    """Bash alone asks: the images need not have curl."""
    return (
        f"exec 3<>/dev/tcp/{host}/{port} && printf 'GET /healthz HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' >&3"
        " && read -r line <&3 && [[ $$line == *' 200 '* ]]"
    )
