"""The configuration behind the figures: what was planned for each stack, what really ran, and how to run it again."""

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from analysis import outside
from analysis.frames import Frames, mapping, sequence
from analysis.palette import mark

CONFIG_LIMIT = 64 * 1024
"""Configuration files longer than this many characters are cut on the page; the whole file is in the run's folder."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """A command of a stack and how many of it ran; `cpus` is where they were pinned, if that was recorded."""

    role: str
    count: str
    command: str
    cpus: str = ""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One stack's configuration: facts by their key in `setup` of the page's words, commands, processes and files as texts.

    `failure` says why it did not come up. `environment` holds the variables that its processes were given, by role.
    """

    stack: str
    facts: tuple[tuple[str, str], ...]
    failure: str
    planned: tuple[Process, ...]
    observed: tuple[Process, ...]
    files: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, tuple[str, ...]], ...]


def setups(frames: Frames) -> list[Setup]:
    """The configuration of every stack of the run, in the order of the plan."""
    plans = {outside.line(mapping(e).get("id")): mapping(e) for e in sequence(frames.plan.get("stacks"))}
    observed = {outside.line(stack): mapping(seen) for stack, seen in mapping(frames.header.get("observed")).items()}
    return [
        _setup(frames.path, stack, plans.get(stack, {}), observed.get(stack, {})) for stack in frames.stacks["stack"]
    ]


def _setup(path: Path, stack: str, plan: Any, seen: Any) -> Setup:
    facts = {
        "framework": plan.get("title") or plan.get("framework"),
        "variant": plan.get("variant"),
        "version": plan.get("version"),
        "server": _versions(seen.get("server")),
        "versions": _versions(seen.get("versions")),
        "model": mark(str(plan.get("model"))).words if plan.get("model") else None,
        "workers": _planned_and_seen(plan.get("workers"), seen.get("workers")),
        "threads": plan.get("threads"),
        "options": ", ".join(f"{outside.line(k)}={outside.line(v)}" for k, v in mapping(plan.get("options")).items()),
        "transport": plan.get("transport"),
        "keep_alive": _keep_alive(mapping(plan.get("keep_alive"))),
        "data": plan.get("data"),
        "connections": _connections(plan.get("pool_max"), seen.get("database_connections")),
        "startup": _seconds(seen.get("startup_s")),
        "stop": _seconds(seen.get("stop_s")),
        "omits": ", ".join(map(outside.line, sequence(plan.get("omits")))),
        "tags": ", ".join(map(outside.line, sequence(plan.get("tags")))),
    }
    return Setup(
        stack=stack,
        facts=tuple((name, outside.line(value)) for name, value in facts.items() if value not in (None, "")),
        planned=_census(seen.get("commands"))
        or tuple(
            Process(
                role=outside.line(p.get("role", "?")),
                count=outside.line(p.get("instances", 1)),
                command=_command(p.get("argv")),
            )
            for p in map(mapping, sequence(plan.get("processes")))
        ),
        observed=_census(seen.get("processes")),
        files=_stored(seen.get("files"))
        or _files(path / "configs" / str(plan.get("slug") or stack.replace("/", "--"))),
        failure=outside.line(seen.get("failure") or ""),
        environment=_environment(seen.get("commands")),
    )


def _seconds(value: object) -> str | None:
    return f"{value:.2g} s" if isinstance(value, int | float) else None


def _environment(commands: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The variables of the first command of each role."""
    found: dict[str, tuple[str, ...]] = {}
    for command in map(mapping, sequence(commands)):
        lines = tuple(f"{outside.line(k)}={outside.line(v)}" for k, v in mapping(command.get("env")).items())
        if lines:
            found.setdefault(outside.line(command.get("role", "?")), lines)
    return tuple(found.items())


def _versions(found: object) -> str:
    return ", ".join(
        f"{outside.line(name)} {outside.line(version or 'not installed')}" for name, version in mapping(found).items()
    )


def _command(argv: object) -> str:
    """A command line to copy, or a process title as it is: programs that set one leave blanks where the arguments were."""
    parts = [outside.line(part) for part in sequence(argv)]
    while parts and not parts[-1]:
        parts.pop()
    return (parts[0] if len(parts) == 1 else shlex.join(parts)) if parts else "command line not recorded"


def _planned_and_seen(planned: object, seen: object) -> str | None:
    if planned is None or seen is None or planned == seen:
        return None if planned is None and seen is None else str(seen if planned is None else planned)
    return f"{planned} planned, {seen} seen"


def _keep_alive(said: Mapping[str, Any]) -> str:
    return ", ".join(f"{side} {outside.line(text)}" for side, text in said.items() if text)


def _connections(pool_max: object, used: object) -> str:
    parts = [
        f"at most {pool_max} a process" if pool_max is not None else "",
        f"{used} open under load" if used is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def _census(processes: object) -> tuple[Process, ...]:
    seen = map(mapping, sequence(processes))
    kinds = Counter(
        (outside.line(p.get("role", "?")), _command(p.get("argv")), ", ".join(map(str, sequence(p.get("cpus")))))
        for p in seen
    )
    return tuple(
        Process(role=role, count=str(n), command=command, cpus=cpus) for (role, command, cpus), n in kinds.items()
    )


def _stored(files: object) -> tuple[tuple[str, str], ...]:
    return tuple((outside.line(name), outside.block(str(text)[:CONFIG_LIMIT])) for name, text in mapping(files).items())


def _files(folder: Path) -> tuple[tuple[str, str], ...]:
    if not folder.is_dir():
        return ()
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return tuple(
        (
            outside.line(path.relative_to(folder).as_posix()),
            outside.block(path.read_text("utf-8", "replace")[:CONFIG_LIMIT]),
        )
        for path in found
    )


def date_words(iso: object) -> str:
    """An ISO 8601 time as people write it, or as it was recorded if it is none."""
    try:
        moment = datetime.fromisoformat(str(iso))
    except ValueError:
        return outside.line(iso) if iso else "date not recorded"
    zone = moment.tzname() or ""
    return f"{moment.day} {moment:%B %Y, %H:%M} {zone}".rstrip()
