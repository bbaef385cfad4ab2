"""The values that pass between the stages: plain, frozen, and without behaviour beyond their own consistency."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Transport = Literal["tcp", "unix"]
Role = Literal["app", "front", "database", "generator", "service"]


class BenchError(Exception):
    """A mistake or a condition the user can mend: one line that says what, where, and what to do. Shown without a traceback."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """Why a unit of work gave no figure: `reason` is one line, `log_tail` the end of the log that shows it, if there is one."""

    reason: str
    log_tail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Why a unit of work was not tried."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Budget:
    """CPU ids each side may use. `notes` say where the sides share a CPU and what that means for the figures.

    `pinned` is False where the platform cannot pin processes (macOS): the sets then say only how many CPUs a side is meant to have.
    """

    server_cpus: frozenset[int]
    load_cpus: frozenset[int]
    database_cpus: frozenset[int]
    front_cpus: frozenset[int] = frozenset()
    """Empty: fronts share the server's, so that equal CPUs for application and front together are equal for every stack."""
    notes: tuple[str, ...] = ()
    pinned: bool = True
    load_each: bool = False
    """Whether each of the generator's CPUs has a load process of its own; else there is one for all."""

    def cpus(self, role: Role) -> frozenset[int]:
        """Those that processes of this role have."""
        sides = {"app": self.server_cpus, "front": self.front_cpus or self.server_cpus, "generator": self.load_cpus}
        return sides.get(role, self.database_cpus)

    def pins(self, role: Role) -> frozenset[int]:
        """What a process of this role is to be bound to; empty where nothing is bound."""
        return self.cpus(role) if self.pinned else frozenset()


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A labelled axis within one application, such as raw SQL instead of the ORM: what it sets in the environment."""

    name: str
    description: str
    data: str
    env: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class App:
    """One folder under `apps/`: a framework's implementation of the contract."""

    name: str
    folder: Path
    title: str
    framework: str
    language: str
    source: str
    data: str
    interfaces: Mapping[str, str]
    """From interface (`wsgi`, `aiohttp`, ...) to what a server is told to load."""
    default: str | None
    """The `server/front` that the framework's own documentation deploys."""
    core: tuple[str, ...]
    full: tuple[str, ...]
    """`server/front` pairs with the tag `full` though their server or front is tagged `extra`."""
    missing: frozenset[str]
    """Endpoints of the contract that it does not have."""
    optional: frozenset[str]
    """Optional endpoints that it has: `fault`, `fanout`, `report`, `async`; see the contract."""
    variants: Mapping[str, Variant]
    thread_connections: frozenset[str] = frozenset()
    """Interfaces under which each thread holds a database connection of its own, whatever a process is allowed."""
    versions: tuple[str, ...] = ()
    """Of the framework, or a package and its version: measured beside the pinned ones in every run, as `--with` does for one."""
    version: str | None = None
    """Instead of the pinned versions: that of the framework, or a package and its version; see `bench.versions`."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """One command of a server or front, as its manifest gives it: `argv` still holds `{names}` for `render` to fill."""

    role: Role
    argv: tuple[str, ...]
    env: Mapping[str, str]
    instances: str
    """An expression over `workers` and `threads`: how many copies run."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One `+name=value` that a server's or front's part of a stack id may carry."""

    name: str
    description: str
    default: str
    values: tuple[str, ...] = ()
    """The allowed values; empty: any positive integer."""
    words: Mapping[str, str] = field(default_factory=dict)
    """From value to what stands for it in command lines, where that is another word."""

    def word(self, value: str) -> str:
        """What a command line says for `value`."""
        return self.words.get(value, value)


@dataclass(frozen=True, kw_only=True)
class Server:
    """One folder under `deploy/servers/`: what hosts an application."""

    name: str
    folder: Path
    title: str
    description: str
    source: str
    accepts: tuple[str, ...]
    speaks: str
    transports: tuple[Transport, ...]
    bind: Mapping[str, str]
    """From transport to how this server writes an address, over `{host}`, `{port}` and `{socket}`."""
    model: str
    """The worker model, in the report's words: `sync`, `threads`, `greenlets`, `loop`, `loops`, `asgi`, `dev`, `native`."""
    distributions: tuple[str, ...]
    """Python distributions whose versions are recorded with every figure."""
    omits: frozenset[str]
    """What of the contract it leaves out by itself: response headers in lower case, `chunked-request`, `early-answer`."""
    tags: frozenset[str]
    workers: str
    threads: str
    census: str
    """An expression over `workers`, `threads` and `cpus`: the processes that run once it is up, masters included."""
    endpoints: Literal["one", "many"]
    """Whether its processes share one listening address or have one each."""
    options: Mapping[str, Option]
    processes: tuple[Process, ...]
    restart: str
    traps: tuple[str, ...]
    keep_alive: str | None = None
    """How long it keeps a connection that carries nothing, in words; None where nobody has said."""


@dataclass(frozen=True, kw_only=True)
class Front:
    """One folder under `deploy/fronts/`: what stands between the clients and the server."""

    name: str
    folder: Path
    title: str
    description: str
    source: str
    speaks: str
    """The protocol it talks to the server."""
    transports: tuple[Transport, ...]
    """Transports to the server, the preferred one first."""
    accepts_many: bool
    needs_many: bool
    """Whether it is there for its balancing, and says nothing in front of a server with one address."""
    serves_static: bool
    """Whether its template is to answer `/static/`, so that the application never sees those requests."""
    adds: frozenset[str]
    """What it supplies where the server omits it."""
    omits: frozenset[str]
    """What of the contract it breaks by itself: `kept-promise`."""
    template: str | None
    options: Mapping[str, Option]
    processes: tuple[Process, ...]
    tags: frozenset[str]
    traps: tuple[str, ...]
    keep_alive: str | None = None
    """How long it keeps connections that carry nothing, to clients and to the server; None without a front."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """An application, a server and a front that fit together: one thing that can be deployed."""

    id: str
    app: App
    variant: Variant | None
    server: Server
    front: Front
    interface: str
    transport: Transport
    options: Mapping[str, str] = field(default_factory=dict)
    front_options: Mapping[str, str] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()

    @property
    def slug(self) -> str:
        """The id as a file name: injective, since no part of an id holds two hyphens in a row."""
        return self.id.replace("/", "--")

    @property
    def data(self) -> str:
        """How the database endpoints reach their data; never ranked across silently."""
        return self.variant.data if self.variant else self.app.data

    @property
    def omits(self) -> frozenset[str]:
        """What of the contract a client of the whole stack does not get."""
        return (self.server.omits - self.front.adds) | self.front.omits


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is asked of a stack: one file under `loadtests/scenarios/`."""

    name: str
    title: str
    description: str
    needs: frozenset[str]
    order: int
    """Scenarios run in ascending order; those that write come last."""
    parameters: Mapping[str, int | str]
    tags: frozenset[str]
    windows: bool
    """Whether the service is so slow (above about 10 ms) that it is loaded in windows of seconds rather than in slices."""
    path: Path
    """Its file."""
    url: str = "/"
    """What is asked for: path and query, parameters filled in."""
    method: str = "GET"
    journey: bool = False
    """Whether users go through several steps: they wait for each answer, so there is no latency at a rate."""
    connections: int | None = None
    """How many hold its load, where a sweep says so; None: as the plan or its pilot chooses."""

    @property
    def waits_s(self) -> float:
        """How long each request waits without work; 0 where it does not."""
        return float(self.parameters.get("ms", 0)) / 1000 if "waiting" in self.tags else 0.0

    @property
    def is_even(self) -> bool:
        """Whether all requests cost a worker alike, so that CPU time tells how they were spread: not those of a journey's unlike steps,
        nor those that wait, whose CPU time is mostly what is done beside them.
        """
        return not self.journey and "waiting" not in self.tags

    @property
    def source(self) -> str:
        """By what name the load generator finds its file; `name` tells the runs of a sweep apart."""
        return self.path.stem
