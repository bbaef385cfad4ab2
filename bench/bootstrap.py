"""Makes `.venv` from nothing but a Python: run by `make` as a script, so it uses the standard library only (Python 3.8 and newer).

uv comes from PyPI, pinned by hash, into an environment of its own (`.uv`), and builds everything else. Where the Python at hand is older
than 3.12, uv fetches a newer one. Both environments carry a stamp of what they were made from, so that a second run does nothing.
"""

from __future__ import annotations  # for Python 3.8

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 12)
WANTED = "3.13"


def main(extras: list[str]) -> None:
    """Set up `.venv` with the tool, and with each of `extras` (`dev`)."""
    stamp = ROOT / ".venv" / "forkloop-stamp"
    extras = sorted({*extras, *_had(stamp)})
    uv = _uv()
    locks = [ROOT / "requirements" / f"{name}.txt" for name in ["tool", *extras]]
    python = _interpreter()
    venv = stamp.parent
    digest = _digest(python, locks)
    if stamp.exists() and stamp.read_text(encoding="utf-8").splitlines() == [digest, *extras]:
        return
    _say(f"setting up .venv with Python {python or WANTED} ({', '.join(['tool', *extras])})")
    if stamp.exists():
        stamp.unlink()
    if not (venv / "bin" / "python").exists() or _made_with(venv) != (python or WANTED):
        _run([uv, "venv", "-q", "--clear", "--python", python or WANTED, str(venv)])
    environment = dict(os.environ, VIRTUAL_ENV=str(venv))
    _run([uv, "pip", "sync", "-q", "--compile-bytecode", "--require-hashes", *map(str, locks)], env=environment)
    _run([uv, "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", str(ROOT)], env=environment)
    (venv / "forkloop-python").write_text(python or WANTED, encoding="utf-8")
    stamp.write_text("\n".join([digest, *extras]), encoding="utf-8")


def _uv() -> str:
    """uv's path: `.uv/bin/uv` at the pinned version, made if need be."""
    lock = ROOT / "requirements" / "uv.txt"
    home = ROOT / ".uv"
    stamp = home / "forkloop-stamp"
    uv = home / "bin" / "uv"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if uv.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return str(uv)
    _say("fetching uv from PyPI into .uv")
    shutil.rmtree(str(home), ignore_errors=True)
    try:
        _run([sys.executable, "-m", "venv", str(home)], quiet=True)
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            f"setup: {sys.executable} cannot make a virtual environment ({error.output.strip().splitlines()[-1:]}); "
            "on Debian and Ubuntu install the package python3-venv"
        ) from None
    _run([str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
          "--require-hashes", "-r", str(lock)])  # fmt: skip
    stamp.write_text(digest, encoding="utf-8")
    return str(uv)


def _interpreter() -> str | None:
    """The Python to build on: the one that runs this, if new enough; None lets uv find or fetch one."""
    if sys.version_info[:2] >= OLDEST:
        # Within a virtual environment, what it was made from: ours must not depend on a folder that may go.
        base = getattr(sys, "_base_executable", sys.executable)
        return os.path.realpath(base)
    return None


def _made_with(venv: Path) -> str | None:
    note = venv / "forkloop-python"
    return note.read_text(encoding="utf-8") if note.exists() else None


def _digest(python: str | None, locks: list[Path]) -> str:
    parts = [lock.read_bytes() for lock in locks] + [
        (ROOT / "pyproject.toml").read_bytes(),
        str(python).encode(),
        str(ROOT).encode(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _had(stamp: Path) -> list[str]:
    """The extras that `.venv` was made with: what was once asked for stays."""
    return stamp.read_text(encoding="utf-8").splitlines()[1:] if stamp.exists() else []


def _run(command: list[str], quiet: bool = False, env: dict[str, str] | None = None) -> None:
    if quiet:
        subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        return
    code = subprocess.run(command, check=False, env=env).returncode
    if code:
        raise SystemExit(f"setup: '{' '.join(command[:4])} ...' failed with exit code {code}; its message stands above")


def _say(text: str) -> None:
    print(f"setup: {text}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
