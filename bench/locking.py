"""Refreshing the pins of every environment: to the newest versions that fit."""

from collections.abc import Callable, Iterable
from pathlib import Path

from bench import environments
from bench.catalog import Catalog
from bench.languages import LANGUAGES, AbsentError, node
from bench.manifest import nearest
from bench.model import BenchError


def lock(catalog: Catalog, say: Callable[[str], None]) -> list[str]:
    """Refresh every `requirements.txt` from the `requirements.in` beside it; returns the lines that changed, file by file.

    Constraints keep the environments consistent: a server's pins may not contradict an application's, so all are solved
    against one list of the newest versions that fit everything together.
    """
    root = catalog.root
    own = [
        root / "requirements" / f"{name}.in"
        for name in ("uv", "tool", "dev", "peers", "valkey", "supervisor", *LANGUAGES)
    ]
    apps = [
        app.folder / "requirements.in" for app in catalog.apps.values() if (app.folder / "requirements.in").exists()
    ]
    servers = [path for server in catalog.servers.values() if (path := server.folder / "requirements.in").exists()]
    changes: list[str] = []
    for source in own:
        changes += _compile(root, source, [], say)
    together = root / ".cache" / "together.txt"
    together.parent.mkdir(exist_ok=True)
    environments.uv("pip", "compile", "-q", *_COMPILE, "-o", str(together), "--upgrade", *map(str, [*apps, *servers]))
    for source in [*apps, *servers]:
        changes += _compile(root, source, ["-c", str(together)], say)
    together.unlink()
    for app in (one for one in catalog.apps.values() if one.language == "node"):
        say(f"apps/{app.name}/package-lock.json")
        try:
            changes += node.lock(app, environments.tools())
        except AbsentError as error:
            raise BenchError(f"apps/{app.name}/package-lock.json: {error}") from None
    return changes


def lock_only(catalog: Catalog, names: Iterable[str], say: Callable[[str], None]) -> list[str]:
    """Pin these applications and servers alone, to the newest versions that fit the pins of all others; what changed, as `lock`.

    Raises BenchError for a name that is neither, and for one without a `requirements.in`.
    """
    sources = [_source(catalog, name) for name in names]
    others = [
        line
        for folder in _folders(catalog).values()
        if (target := folder / "requirements.txt").exists() and folder / "requirements.in" not in sources
        for line in _pin_lines(target)
    ]
    constraints = catalog.root / ".cache" / "others.txt"
    constraints.parent.mkdir(exist_ok=True)
    constraints.write_text("".join(f"{line}\n" for line in sorted(set(others))), encoding="utf-8")
    try:
        return [line for source in sources for line in _compile(catalog.root, source, ["-c", str(constraints)], say)]
    finally:
        constraints.unlink()


def _folders(catalog: Catalog) -> dict[str, Path]:
    """Where applications and servers lie. One name for both would be the application's."""
    servers = {server.name: server.folder for server in catalog.servers.values()}
    return servers | {app.name: app.folder for app in catalog.apps.values()}


def _source(catalog: Catalog, name: str) -> Path:
    known = _folders(catalog)
    if name not in known:
        raise BenchError(f"{name}: neither an application nor a server.{nearest(name, list(known))}")
    source = known[name] / "requirements.in"
    if not source.exists():
        raise BenchError(
            f"{source.relative_to(catalog.root)} is not there: it names the packages to pin, one in each line"
        )
    return source


_COMPILE = ("--universal", "--python-version", "3.12", "--no-emit-index-url", "--no-header", "--no-annotate")


def _compile(root: Path, source: Path, extra: list[str], say: Callable[[str], None]) -> list[str]:
    target = source.with_suffix(".txt")
    before = _pins(target)
    say(f"{target.relative_to(root)}")
    environments.uv(
        "pip", "compile", "-q", *_COMPILE, "--generate-hashes", "--upgrade", *extra, "-o", str(target), str(source)
    )
    after = _pins(target)
    return [
        f"{target.relative_to(root)}: {name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _pins(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    found = (line.split(";")[0].strip().partition("==") for line in _pin_lines(path))
    return {name: version for name, _, version in found}


def _pin_lines(path: Path) -> list[str]:
    """`name==version`, some with `; marker`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.rstrip(" \\") for line in lines if "==" in line and line[0] not in " #-"]
