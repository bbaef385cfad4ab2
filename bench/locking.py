"""Refreshing the pins of every environment: to the newest versions that fit."""

from collections.abc import Callable
from pathlib import Path

from bench import environments
from bench.catalog import Catalog
from bench.languages import LANGUAGES, AbsentError, node
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
    lines = [line.split(";")[0].strip(" \\") for line in path.read_text(encoding="utf-8").splitlines()]
    return {
        name: version
        for name, _, version in (line.partition("==") for line in lines if "==" in line and line[0] not in " #-")
    }
