"""Command lines and configuration files of a planned stack: one pure function for every way of launching it.

The ways (on this machine, in containers) differ only in the `Site`: where things lie and who may listen where.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2

from bench.expression import evaluate
from bench.model import BenchError, Role
from bench.plan import PlannedStack

FILE_LIMIT = 12288
"""Descriptors that nginx asks for; a client connection takes two while a request of it is in work. For 5,000 of them."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where one deployment lives. Every path is absolute where the processes run."""

    host: str
    """The address to listen on."""
    ports: Sequence[int]
    """At least as many as `ports_needed`; the first is the one that clients connect to."""
    folder: Path
    """Its own scratch folder, for sockets and the front's files; short, since a socket's path has at most 107 bytes."""
    app_dir: Path
    env_dir: Path
    """The application's Python environment."""
    runners: Path
    static_dir: Path
    shm: Path
    """A folder in memory, for gunicorn's heartbeat files."""
    tools: Mapping[str, str]
    """Paths of programs that are not in the application's environment: `nginx`, `node`, ..."""
    user: str | None
    """Whom nginx's workers run as where it starts as root."""
    database_url: str | None
    names: Sequence[str] = ()
    """Where each server process has a host of its own: their names, in order. Empty: all are at `host`."""
    front_dir: Path | None = None
    """The front's own folder; below `folder` where None."""
    config: Path | None = None
    """The front's configuration; in its own folder where None."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """What else the application's environment holds: what switches optional endpoints on."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A listening address: TCP where `socket` is None."""

    host: str
    port: int
    socket: Path | None = None

    @property
    def url(self) -> str:
        """As a base URL; for a unix socket only the Host header is meant."""
        return f"http://{self.host}:{self.port}" if self.socket is None else "http://localhost"


@dataclass(frozen=True, kw_only=True)
class Command:
    """One process to start."""

    role: Role
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    name: str
    """For its log file."""


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """All that a launcher needs, in the order of starting."""

    commands: tuple[Command, ...]
    files: Mapping[Path, str]
    folders: tuple[Path, ...]
    client: Endpoint
    """What clients connect to."""
    servers: tuple[Endpoint, ...]
    """What the server's processes listen on."""


def ports_needed(planned: PlannedStack) -> int:
    """How many TCP ports this stack listens on."""
    front = 1 if planned.stack.front.processes else 0
    return front + (_instances(planned) if planned.stack.transport == "tcp" else 0)


def render(planned: PlannedStack, site: Site) -> Rendered:
    """Fill the manifests' command lines and templates. Raises BenchError, naming the manifest, for an unknown placeholder."""
    stack, ports = planned.stack, list(site.ports)
    client = Endpoint(host=site.host, port=ports[0])
    if stack.front.processes:
        ports = ports[1:]
    servers = tuple(
        Endpoint(host=site.names[index] if site.names else site.host, port=ports[index])
        if stack.transport == "tcp"
        else Endpoint(host=site.host, port=0, socket=site.folder / f"app-{index}.sock")
        for index in range(_instances(planned))
    )
    front_dir = site.front_dir or site.folder / "front"
    config = site.config or front_dir / "nginx.conf"
    commands: list[Command] = []
    for process in stack.server.processes:
        names = {"workers": planned.workers, "threads": planned.threads}
        where = f"deploy/servers/{stack.server.name}/server.toml"
        for index in range(evaluate(process.instances, names, where=f"{where}: key 'process.instances'")):
            words = _words(planned, site, servers[index % len(servers)])
            argv = _fill(process.argv, words, where)
            commands.append(
                Command(
                    role=process.role,
                    argv=_program(argv, site),
                    cwd=site.app_dir,
                    name=f"{process.role}-{index}",
                    env={
                        **_environment(planned, site),
                        **dict(zip(process.env, _fill(process.env.values(), words, where), strict=True)),
                    },
                )
            )
    files: dict[Path, str] = {}
    for process in stack.front.processes:
        words = {"front_dir": str(front_dir), "config": str(config), **planned.values}
        argv = _fill(process.argv, words, f"deploy/fronts/{stack.front.name}/front.toml")
        commands.append(
            Command(
                role=process.role, argv=_program(argv, site), cwd=front_dir, env={"PATH": "/usr/bin:/bin"}, name="front"
            )
        )
    if stack.front.template:
        files[config] = _configuration(planned, site, client, servers, front_dir)
    return Rendered(
        commands=tuple(commands), files=files, client=client, servers=servers,
        folders=(site.folder, front_dir, front_dir / "logs") if stack.front.processes else (site.folder,),
    )  # fmt: skip


def _instances(planned: PlannedStack) -> int:
    """Listening addresses of the server side."""
    return planned.workers if planned.stack.server.endpoints == "many" else 1


def _words(planned: PlannedStack, site: Site, endpoint: Endpoint) -> dict[str, str]:
    stack = planned.stack
    address = {"host": site.host, "port": str(endpoint.port), "socket": str(endpoint.socket)}
    where = f"deploy/servers/{stack.server.name}/server.toml"
    return {
        **planned.values, **address,
        "bind": _fill([stack.server.bind[stack.transport]], address, where)[0],
        "target": stack.app.interfaces[stack.interface], "interface": stack.interface,
        "app_dir": str(site.app_dir), "env": str(site.env_dir), "runners": str(site.runners), "shm": str(site.shm),
    }  # fmt: skip


def _environment(planned: PlannedStack, site: Site) -> dict[str, str]:
    """All that an application process sees: nothing of the caller's own environment reaches it."""
    stack = planned.stack
    own = dict(stack.variant.env) if stack.variant else {}
    database = {"DATABASE_URL": site.database_url} if site.database_url else {}
    return {
        "PATH": f"{site.env_dir / 'bin'}:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(site.folder),
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1",
        "DB_POOL_MAX": str(planned.pool_max), "STATIC_DIR": str(site.static_dir), **database, **own, **site.extra,
    }  # fmt: skip


def _fill(texts: Iterable[str], words: Mapping[str, str], where: str) -> tuple[str, ...]:
    try:
        return tuple(text.format_map(words) for text in texts)
    except KeyError as error:
        raise BenchError(
            f"{where}: unknown placeholder {{{error.args[0]}}}; known: {', '.join(sorted(words))}"
        ) from None
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise BenchError(
            f"{where}: a placeholder is malformed ({error}); write {{name}}, and {{{{ for a brace"
        ) from None


def _program(argv: tuple[str, ...], site: Site) -> tuple[str, ...]:
    """A bare name is a program of the application's environment, or one of the site's tools."""
    name = argv[0]
    if "/" in name:
        return argv
    return (site.tools.get(name, str(site.env_dir / "bin" / name)), *argv[1:])


def _configuration(
    planned: PlannedStack, site: Site, client: Endpoint, servers: Sequence[Endpoint], front_dir: Path
) -> str:
    front = planned.stack.front
    source = (front.folder / (front.template or "")).resolve()
    fronts = front.folder.parent.resolve()
    try:
        return _template(fronts, source.read_text(encoding="utf-8")).render(
            user=site.user, cpus=planned.front_processes - 1, files=FILE_LIMIT, connections=FILE_LIMIT // 2,
            listen=f"{client.host}:{client.port}", protocol=planned.stack.server.speaks, front_dir=front_dir,
            serves_static=front.serves_static, static_dir=site.static_dir,
            upstreams=[_upstream(server) for server in servers], options=planned.values,
        )  # fmt: skip
    except jinja2.TemplateNotFound as error:  # an OSError too
        raise BenchError(f"{source}: there is no template {fronts.name}/{error.name} to extend") from None
    except OSError as error:
        raise BenchError(f"deploy/fronts/{front.name}/front.toml: key 'template': {source}: {error.strerror}") from None
    except jinja2.TemplateError as error:
        raise BenchError(f"{source}: {error}") from None


@functools.lru_cache(maxsize=64)
def _template(fronts: Path, text: str) -> jinja2.Template:
    """Compiled once: that takes longer than all else about rendering. What it extends is read again where it has changed."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(fronts), undefined=jinja2.StrictUndefined, autoescape=False,
        keep_trailing_newline=True, trim_blocks=True,
    )  # fmt: skip
    return environment.from_string(text)


def _upstream(endpoint: Endpoint) -> str:
    return f"unix:{endpoint.socket}" if endpoint.socket else f"{endpoint.host}:{endpoint.port}"
