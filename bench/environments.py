"""One isolated Python environment per application: its framework, pinned in its folder, and the servers that host it."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from bench import static
from bench.catalog import ROOT, Catalog, server_fits
from bench.model import App, BenchError

HOME = ROOT / ".envs"
STATIC = ROOT / ".cache" / "static"
_STAMP = "forkloop-stamp"


def path_of(app: App, *, home: Path = HOME) -> Path:
    """Where the application's environment is, made or not."""
    return home / app.name


def locks_of(catalog: Catalog, app: App) -> list[Path]:
    """The lock files whose packages go into the application's environment. Raises BenchError where the app has none."""
    own = app.folder / "requirements.txt"
    if not own.exists():
        raise BenchError(
            f"{own.relative_to(catalog.root)} is missing; write requirements.in beside it and run `make lock`"
        )
    servers = [
        server.folder / "requirements.txt"
        for server in catalog.servers.values()
        if server_fits(app, server) and (server.folder / "requirements.txt").exists()
    ]
    return [own, *servers]


def prepare(catalog: Catalog, apps: Iterable[App], say: Callable[[str], None]) -> int:
    """Make the environments that are missing or out of date, and the static files. Returns how many were made.

    Raises BenchError with the installer's own words where one cannot be made.
    """
    make_static()
    made = 0
    for app in apps:
        if app.language != "python":
            continue
        locks = locks_of(catalog, app)
        folder = path_of(app)
        digest = _digest(locks)
        stamp = folder / _STAMP
        if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
            continue
        say(f"environment of {app.name}: {', '.join(sorted({lock.parent.name for lock in locks}))}")
        stamp.unlink(missing_ok=True)
        _uv("venv", "-q", "--clear", "--python", _base_python(), str(folder))
        # The same file of pins may come from several servers, and the same package at the same version from several files.
        requirements = [word for lock in locks for word in ("-r", str(lock))]
        _uv("pip", "install", "-q", "--compile-bytecode", "--require-hashes", *requirements, environment=folder)
        stamp.write_text(digest, encoding="utf-8")
        made += 1
    return made


def is_ready(catalog: Catalog, app: App) -> bool:
    """Whether the application's environment stands as its pins say."""
    stamp = path_of(app) / _STAMP
    return app.language != "python" or (
        stamp.exists() and stamp.read_text(encoding="utf-8") == _digest(locks_of(catalog, app))
    )


def versions(app: App) -> dict[str, str]:
    """From distribution to version: what is installed in the application's environment, asked of its own interpreter."""
    code = "import importlib.metadata as m, json; print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
    python = path_of(app) / "bin" / "python"
    try:
        run = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchError(f"{python} does not run: {error.strerror}; `make setup` mends it") from None
    if run.returncode:
        raise BenchError(f"{python} does not run: {run.stderr.strip()[-200:]}; `make setup` mends it")
    found: dict[str, str] = json.loads(run.stdout)
    return dict(sorted(found.items()))


def make_static() -> None:
    """The files under /static, where the stacks of this machine find them."""
    static.make(STATIC)


def lock(catalog: Catalog, say: Callable[[str], None]) -> list[str]:
    """Refresh every `requirements.txt` from the `requirements.in` beside it; returns the lines that changed, file by file.

    Constraints keep the environments consistent: a server's pins may not contradict an application's, so all are solved
    against one list of the newest versions that fit everything together.
    """
    root = catalog.root
    own = [root / "requirements" / f"{name}.in" for name in ("uv", "tool", "dev", "peers")]
    apps = [
        app.folder / "requirements.in" for app in catalog.apps.values() if (app.folder / "requirements.in").exists()
    ]
    servers = [path for server in catalog.servers.values() if (path := server.folder / "requirements.in").exists()]
    changes: list[str] = []
    for source in own:
        changes += _compile(root, source, [], say)
    together = root / ".cache" / "together.txt"
    together.parent.mkdir(exist_ok=True)
    _uv("pip", "compile", "-q", *_COMPILE, "-o", str(together), "--upgrade", *map(str, [*apps, *servers]))
    for source in [*apps, *servers]:
        changes += _compile(root, source, ["-c", str(together)], say)
    together.unlink()
    return changes


_COMPILE = ("--universal", "--python-version", "3.12", "--no-emit-index-url", "--no-header", "--no-annotate")


def _compile(root: Path, source: Path, extra: list[str], say: Callable[[str], None]) -> list[str]:
    target = source.with_suffix(".txt")
    before = _pins(target)
    say(f"{target.relative_to(root)}")
    _uv("pip", "compile", "-q", *_COMPILE, "--generate-hashes", "--upgrade", *extra, "-o", str(target), str(source))
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


def digest(catalog: Catalog, app: App) -> str:
    """A hash of everything that goes into the application's environment; it stands or falls with what runs in it."""
    return _digest(locks_of(catalog, app))


def _digest(locks: Iterable[Path]) -> str:
    parts = [lock.read_bytes() for lock in locks] + [_base_python().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _base_python() -> str:
    """The interpreter that the tool itself was built on (see bench/bootstrap.py): all stacks run on the same one."""
    note = ROOT / ".venv" / "forkloop-python"
    return note.read_text(encoding="utf-8") if note.exists() else "3.13"


def _uv(*arguments: str, environment: Path | None = None) -> None:
    uv = ROOT / ".uv" / "bin" / "uv"
    if not uv.exists():
        raise BenchError("uv is missing from .uv; run `make setup`")
    env = dict(os.environ)
    env.pop("VIRTUAL_ENV", None)
    if environment:
        env["VIRTUAL_ENV"] = str(environment)
    run = subprocess.run([uv, *arguments], capture_output=True, text=True, check=False, env=env, cwd=ROOT)
    if run.returncode:
        raise BenchError(f"uv {' '.join(arguments[:2])} failed:\n{run.stderr.strip()[-2000:]}")
