"""What the orchestrator needs to know of a language, and the programs that make its environments."""

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from bench.model import App

ORIGIN = "forkloop-runtime"
"""In an environment: the file that says where its runtime came from."""


_CHATTER = re.compile(r"npm warn|npm error (code|syscall|errno) |npm error\s{2,}")
_MARKS = re.compile(r"^(npm error (network )?|error: |cause: |hint: |× |╰─▶ )")


class AbsentError(Exception):
    """Why an application's environment cannot be made here, and the remedy: one line. The other applications can go on."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What an environment is made with."""

    package: Callable[[str], Path]
    """Installs the packages of `requirements/NAME.txt` into an environment of their own, once, and returns their folder.
    Raises BenchError."""
    cache: Path
    """A folder for what a compiler wants to keep."""


@dataclass(frozen=True, kw_only=True)
class Language:
    """One language."""

    name: str
    package: str
    """The package on PyPI that brings the runtime where the machine has none; pinned in `requirements/NAME.txt`."""
    sources: Callable[[App], list[Path]]
    """The files that an environment is made from: it is made anew when one of them changes. Raises BenchError where one is missing."""
    runs: Callable[[App], list[str]]
    """Paths within an environment that must be there, or it is made anew."""
    make: Callable[[App, Path, Tools], None]
    """Makes the environment in the empty folder given. Raises AbsentError."""
    asking: Callable[[App, PurePath], list[str]]
    """The command that prints what is installed in an environment, to be run where the environment is."""
    told: Callable[[str], dict[str, str]]
    """What that command printed: from package to version, the runtime among them under the language's name."""


def run(argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What a program printed. Raises AbsentError, with what it said, where it is missing or fails."""
    try:
        ended = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=cwd, env=env)
    except OSError as error:
        raise AbsentError(f"{argv[0]} does not run: {error.strerror}") from None
    if ended.returncode:
        raise AbsentError(brief(ended.stderr or ended.stdout or f"exit code {ended.returncode}"))
    return ended.stdout


def brief(text: str, *, lines: int = 2) -> str:
    """The first lines of a message that say something, as one: installers put the cause first and explain below."""
    telling = [line for line in map(str.strip, text.splitlines()) if line and not _CHATTER.match(line)]
    return " ".join(_MARKS.sub("", line) for line in telling[:lines])[:400]


def outside() -> dict[str, str]:
    """The user's environment variables, without our own Python environment."""
    return {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
