"""What there is: applications, servers and fronts found as folders, and the stacks that result where they fit together."""

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from bench import manifest, stackid
from bench.manifest import nearest
from bench.model import App, BenchError, Front, Option, Process, Role, Scenario, Server, Stack, Transport, Variant

ROOT = Path(__file__).resolve().parent.parent
ROLES = ("app", "front", "database", "service")


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All that was found under one root, and the joins of it: `stacks` in the order app, server, front; `refused` with reasons."""

    root: Path
    apps: Mapping[str, App]
    servers: Mapping[str, Server]
    fronts: Mapping[str, Front]
    scenarios: Mapping[str, Scenario]
    stacks: Mapping[str, Stack]
    refused: Mapping[str, str]


def load(root: Path = ROOT) -> Catalog:
    """Read every manifest under `root`. Raises BenchError, naming file and key, for the first one that is wrong."""
    apps = {path.parent.name: _app(path) for path in sorted(root.glob("apps/*/app.toml"))}
    servers = {path.parent.name: _server(path) for path in sorted(root.glob("deploy/servers/*/server.toml"))}
    fronts = {path.parent.name: _front(path) for path in sorted(root.glob("deploy/fronts/*/front.toml"))}
    stacks: dict[str, Stack] = {}
    refused: dict[str, str] = {}
    for app in apps.values():
        for variant in (None, *app.variants.values()):
            for server in servers.values():
                for front in fronts.values():
                    joined = join(app, server, front, variant=variant)
                    if isinstance(joined, Stack):
                        stacks[joined.id] = joined
                    elif server_fits(app, server):
                        refused[_id(app, variant, server, front)] = joined
    for app in apps.values():
        _check_named(root, app, stacks)
    return Catalog(
        root=root, apps=apps, servers=servers, fronts=fronts, stacks=stacks, refused=refused, scenarios=scenarios(root),
    )  # fmt: skip


def scenarios(root: Path = ROOT) -> dict[str, Scenario]:
    """Every scenario under `root` by name, in the order in which they run. Raises BenchError as `load` does."""
    found = [_scenario(path) for path in sorted(root.glob("loadtests/scenarios/*.toml"))]
    return {one.name: one for one in sorted(found, key=lambda one: (one.order, one.name))}


def server_fits(app: App, server: Server) -> bool:
    """Whether `server` can host `app` at all."""
    return any(interface in app.interfaces for interface in server.accepts)


def join(
    app: App, server: Server, front: Front, *, variant: Variant | None = None,
    options: Mapping[str, str] | None = None, front_options: Mapping[str, str] | None = None,
) -> Stack | str:  # fmt: skip
    """The stack that the three make, or the reason why they do not fit."""
    interface = next((interface for interface in server.accepts if interface in app.interfaces), None)
    if interface is None:
        return f"{server.name} hosts {', '.join(server.accepts)}; {app.name} offers {', '.join(app.interfaces)}"
    if server.speaks != front.speaks:
        return f"{server.name} speaks {server.speaks}, {front.name} needs {front.speaks}"
    if server.endpoints == "many" and not front.accepts_many:
        return f"{server.name} listens on several addresses, {front.name} takes one"
    if server.endpoints == "one" and front.needs_many:
        return f"{server.name} listens on one address, {front.name} is for several"
    transport = next((transport for transport in front.transports if transport in server.transports), None)
    if transport is None:
        return f"{server.name} listens on {', '.join(server.transports)}, {front.name} connects over {', '.join(front.transports)}"
    pair = f"{server.name}/{front.name}"
    plain = variant is None and app.version is None and not options and not front_options
    own = {"default"} if app.default == pair else set()
    core = {"core"} if app.default == pair or pair in app.core else set()
    extra = "extra" in server.tags | front.tags
    full = {"full"} if not extra or (plain and pair in (*app.full, *app.core, app.default)) else set()
    parsed = replace(
        stackid.parse(_id(app, variant, server, front)), server_options=options or {}, front_options=front_options or {}
    )
    return Stack(
        id=str(parsed), app=app, variant=variant, server=server, front=front, interface=interface, transport=transport,
        options=options or {}, front_options=front_options or {},
        tags=frozenset(server.tags | front.tags | full | (own | core if plain else set())),
    )  # fmt: skip


def resolve(catalog: Catalog, text: str) -> Stack:
    """The stack that a full id names, with its options; those that only repeat a default are dropped, so that it has one id.

    Raises BenchError with the nearest names where a part is unknown.
    """
    parsed = stackid.parse(text)
    app = _pick(catalog.apps, parsed.app, f"stack '{text}': unknown app")
    server = _pick(catalog.servers, parsed.server, f"stack '{text}': unknown server")
    front = _pick(catalog.fronts, parsed.front, f"stack '{text}': unknown front")
    variant = (
        _pick(app.variants, parsed.variant, f"stack '{text}': unknown variant of {app.name}")
        if parsed.variant
        else None
    )
    if parsed.version:
        app = replace(app, version=parsed.version)
    _check_options(text, server.name, server.options, parsed.server_options)
    _check_options(text, front.name, front.options, parsed.front_options)
    joined = join(
        app, server, front, variant=variant, options=_changing(server.options, parsed.server_options),
        front_options=_changing(front.options, parsed.front_options),
    )  # fmt: skip
    if isinstance(joined, str):
        raise BenchError(f"stack '{text}' does not fit together: {joined}")
    return joined


def select_stacks(catalog: Catalog, patterns: Iterable[str]) -> list[Stack]:
    """Stacks by id, shell pattern (`flask/*/nginx`) or tag (`default`, `core`), in the catalogue's order, ids with options last."""
    chosen: dict[str, Stack] = {}
    tags = {tag for stack in catalog.stacks.values() for tag in stack.tags}
    for pattern in patterns:
        if pattern in tags:
            found = [stack for stack in catalog.stacks.values() if pattern in stack.tags]
        elif any(character in pattern for character in "*?["):
            found = [stack for stack in catalog.stacks.values() if fnmatch.fnmatchcase(stack.id, pattern)]
            if not found:
                raise BenchError(f"no stack matches '{pattern}'; `bench list` prints them all")
        elif pattern.count("/") != 2:
            raise BenchError(f"unknown stack or tag '{pattern}'.{nearest(pattern, [*sorted(tags), *catalog.stacks])}")
        else:
            found = [resolve(catalog, pattern)]
        chosen.update({stack.id: stack for stack in found})
    return list(chosen.values())


def select_scenarios(catalog: Catalog, patterns: Iterable[str]) -> list[Scenario]:
    """Scenarios by name, shell pattern or tag, in the order in which they run (those that write come last)."""
    chosen: set[str] = set()
    tags = {tag for scenario in catalog.scenarios.values() for tag in scenario.tags}
    for pattern in patterns:
        found = {
            name for name, scenario in catalog.scenarios.items()
            if fnmatch.fnmatchcase(name, pattern) or pattern in scenario.tags
        }  # fmt: skip
        if not found:
            raise BenchError(f"unknown scenario '{pattern}'.{nearest(pattern, [*catalog.scenarios, *sorted(tags)])}")
        chosen |= found
    return [scenario for name, scenario in catalog.scenarios.items() if name in chosen]


def _pick[T](known: Mapping[str, T], name: str, what: str) -> T:
    if name not in known:
        raise BenchError(f"{what} '{name}'.{nearest(name, list(known))}")
    return known[name]


def _check_options(text: str, part: str, known: Mapping[str, Option], given: Mapping[str, str]) -> None:
    for name, value in given.items():
        option = known.get(name)
        if option is None:
            raise BenchError(f"stack '{text}': {part} has no option '{name}'.{nearest(name, list(known))}")
        if option.values and value not in option.values:
            raise BenchError(f"stack '{text}': {name}={value}: must be one of {', '.join(option.values)}")
        # No leading zeros either, or one stack would have several ids.
        if not option.values and not (value.isascii() and value.isdigit() and value[0] != "0"):
            raise BenchError(f"stack '{text}': {name}={value}: must be a positive integer")


def _changing(known: Mapping[str, Option], given: Mapping[str, str]) -> dict[str, str]:
    """A rule such as `2 * cpus + 1` is no value: a number that happens to equal it on this machine stays."""
    return {name: value for name, value in given.items() if value != known[name].default}


def _check_named(root: Path, app: App, stacks: Mapping[str, Stack]) -> None:
    """An app's `default`, `core` and `full` must be stacks that exist; a misspelt one would silently drop out of every run."""
    for key, pairs in (
        ("default", [app.default] if app.default else []),
        ("core", list(app.core)),
        ("full", list(app.full)),
    ):
        for pair in pairs:
            if f"{app.name}/{pair}" not in stacks:
                near = nearest(pair, [name.split("/", 1)[1] for name in stacks if name.startswith(f"{app.name}/")])
                file = app.folder.relative_to(root) / "app.toml"
                raise BenchError(f"{file}: key '{key}': no stack {app.name}/{pair}.{near}")


def _id(app: App, variant: Variant | None, server: Server, front: Front) -> str:
    version = f"@{app.version}" if app.version else ""
    return f"{app.name}{f'+{variant.name}' if variant else ''}{version}/{server.name}/{front.name}"


def _app(path: Path) -> App:
    read = manifest.read(path, manifest.AppManifest)
    _check_name(path)
    variants = {
        name: Variant(name=name, description=variant.description, data=variant.data, env=variant.env)
        for name, variant in read.variants.items()
    }
    for name in read.thread_connections:
        if name not in read.interfaces:
            near = nearest(name, list(read.interfaces))
            raise BenchError(f"{path}: key 'thread_connections': it has no interface '{name}'.{near}")
    return App(
        name=path.parent.name, folder=path.parent, title=read.title, framework=read.framework, language=read.language,
        source=read.source, data=read.data, interfaces=read.interfaces, default=read.default, core=tuple(read.core), full=tuple(read.full),
        missing=frozenset(read.missing), optional=frozenset(read.optional), variants=variants, versions=tuple(read.versions),
        thread_connections=frozenset(read.thread_connections),
    )  # fmt: skip


def _server(path: Path) -> Server:
    read = manifest.read(path, manifest.ServerManifest)
    _check_name(path)
    if read.endpoints not in ("one", "many"):
        raise BenchError(f"{path}: key 'endpoints': '{read.endpoints}' must be 'one' or 'many'")
    options = _options(read.options)
    return Server(
        name=path.parent.name, folder=path.parent, title=read.title, description=read.description, source=read.source,
        accepts=tuple(read.accepts), speaks=read.speaks, transports=_transports(path, "bind", list(read.bind)),
        bind=read.bind, model=read.model, distributions=tuple(read.distributions), omits=frozenset(read.omits),
        tags=frozenset(read.tags), workers=read.workers.rule, threads=read.workers.threads, census=read.workers.processes,
        endpoints=cast(Literal["one", "many"], read.endpoints), options=options,
        processes=_processes(path, read.process), restart=read.restart, traps=tuple(read.traps), keep_alive=read.keep_alive,
    )  # fmt: skip


def _front(path: Path) -> Front:
    read = manifest.read(path, manifest.FrontManifest)
    _check_name(path)
    return Front(
        name=path.parent.name, folder=path.parent, title=read.title, description=read.description, source=read.source,
        speaks=read.speaks, transports=_transports(path, "transports", read.transports), accepts_many=read.accepts_many,
        needs_many=read.needs_many, serves_static=read.serves_static, adds=frozenset(read.adds),
        omits=frozenset(read.omits), template=read.template,
        options=_options(read.options), processes=_processes(path, read.process), tags=frozenset(read.tags),
        traps=tuple(read.traps), keep_alive=read.keep_alive,
    )  # fmt: skip


def _scenario(path: Path) -> Scenario:
    read = manifest.read(path, manifest.ScenarioManifest)
    _check_name(path, path.stem)
    return Scenario(
        name=path.stem, title=read.title, description=read.description, needs=frozenset(read.needs), order=read.order,
        parameters=read.parameters, tags=frozenset(read.tags), windows=read.windows == "window", path=path,
        url=_filled(path, read), method=read.method, journey=bool(read.journey),
    )  # fmt: skip


def _filled(path: Path, read: manifest.ScenarioManifest) -> str:
    try:
        return read.path.format_map(read.parameters)
    except (KeyError, ValueError, IndexError) as error:
        raise BenchError(f"{path}: key 'path': '{read.path}' names no parameter of the scenario ({error})") from None


def _check_name(path: Path, name: str | None = None) -> None:
    name = name or path.parent.name
    if not stackid.NAME.fullmatch(name):
        raise BenchError(f"{path}: the name '{name}' must be lower-case letters, digits and single hyphens")


def _options(read: Mapping[str, manifest.Option]) -> dict[str, Option]:
    return {
        name: Option(
            name=name,
            description=option.description,
            default=option.default,
            values=tuple(option.values),
            words=option.words,
        )
        for name, option in read.items()
    }


def _transports(path: Path, key: str, given: list[str]) -> tuple[Transport, ...]:
    for transport in given:
        if transport not in ("tcp", "unix"):
            raise BenchError(
                f"{path}: key '{key}': unknown transport '{transport}'.{nearest(transport, ['tcp', 'unix'])}"
            )
    return tuple(cast(list[Transport], given))


def _processes(path: Path, read: list[manifest.Process]) -> tuple[Process, ...]:
    for process in read:
        if process.role not in ROLES:
            raise BenchError(
                f"{path}: key 'process.role': unknown role '{process.role}'.{nearest(process.role, list(ROLES))}"
            )
        if not process.argv:
            raise BenchError(f"{path}: key 'process.argv': must name a command")
    return tuple(
        Process(role=cast(Role, process.role), argv=tuple(process.argv), env=process.env, instances=process.instances)
        for process in read
    )
