"""Versions as an axis: the same application with another version of its framework, server or driver, side by side in one run.

`--with django==5.2` adds `django@5.2/...` beside every selected stack whose environment holds Django; `--with gunicorn==26.0` adds
`flask@gunicorn_26.0/...` and the like. `versions = ["5.2"]` in an `app.toml` does so in every run.
What follows the `@` is a version of the framework, or a package and its version.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import stackid
from bench.catalog import Catalog, resolve, server_fits
from bench.model import App, BenchError, Stack

_ASKED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.]+)")
_NAMED = re.compile(r"(?:(?P<name>[a-z][a-z0-9_.]*)_)?(?P<version>\d[A-Za-z0-9.]*)")


def package(app: App) -> str | None:
    """What stands in the application's environment instead of its pin, such as `django==5.2`; None without a version.

    Raises BenchError where the id says nothing that could be one.
    """
    if app.version is None:
        return None
    found = _NAMED.fullmatch(app.version)
    if not found:
        raise BenchError(
            f"'{app.name}@{app.version}': expected a version, as in django@5.2, or a package's, as in flask@gunicorn_26.0"
        )
    return f"{(found['name'] or app.framework).replace('_', '-')}=={found['version']}"


def beside(catalog: Catalog, stacks: Sequence[Stack], asked: Sequence[str]) -> list[Stack]:
    """`stacks`, each followed by its twins of other versions: those asked for, and those of its `app.toml`.

    Raises BenchError for what no selected stack holds.
    """
    twins: dict[str, Stack] = {}
    matched: set[str] = set()
    for stack in stacks:
        twins[stack.id] = stack
        for version in () if stack.app.version else stack.app.versions:
            twin = resolve(catalog, str(replace(stackid.parse(stack.id), version=version)))
            package(twin.app)
            twins[twin.id] = twin
        for text in asked:
            found = _ASKED.fullmatch(text)
            if not found:
                raise BenchError(f"--with {text}: expected a package and its version, as in django==5.2")
            name = _normal(found["name"])
            if stack.app.version or name not in _needed(catalog, stack):
                continue
            matched.add(text)
            prefix = "" if name == _normal(stack.app.framework) else f"{name.replace('-', '_')}_"
            parsed = replace(stackid.parse(stack.id), version=f"{prefix}{found['version']}")
            twin = resolve(catalog, str(parsed))
            twins[twin.id] = twin
    for text in asked:
        if text not in matched:
            raise BenchError(
                f"--with {text}: no selected stack has that package among its requirements.in; choose others with --stacks"
            )
    return list(twins.values())


def sources(catalog: Catalog, app: App) -> list[Path]:
    """The requirements.in of an application and of every server that can host it."""
    folders = [app.folder, *(one.folder for one in catalog.servers.values() if server_fits(app, one))]
    return [folder / "requirements.in" for folder in folders if (folder / "requirements.in").exists()]


def _needed(catalog: Catalog, stack: Stack) -> set[str]:
    """Packages that the stack's application and server name themselves."""
    found = set()
    for folder in (stack.app.folder, stack.server.folder):
        path = folder / "requirements.in"
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            if named := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line.strip()):
                found.add(_normal(named[0]))
    return found


def _normal(name: str) -> str:
    """As PyPI compares names: https://packaging.python.org/en/latest/specifications/name-normalization/."""
    return re.sub(r"[-_.]+", "-", name).lower()
