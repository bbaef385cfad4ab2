"""What all commands share: the command line, where results lie, and who is asked for what."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console

from bench import catalog, environments, session
from bench.model import BenchError, Stack

RESULTS = catalog.ROOT / "results"
INTERRUPTED = 130
"""Exit code."""

app = App(
    name="bench", help="Deploys Python web stacks on this machine, checks that they answer alike, loads them, and reports.",
    version="0.1.0", help_format="plaintext", result_action="return_value", suppress_keyboard_interrupt=False,
)  # fmt: skip
console = Console(stderr=False, highlight=False, soft_wrap=False)

Stacks = Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=True)]


def analysis(*words: str, quiet: bool = False) -> int:
    """Let the analysis answer, in a process of its own; its exit code."""
    out = subprocess.DEVNULL if quiet else None
    command = [sys.executable, "-m", "analysis", *words]
    return subprocess.run(command, cwd=catalog.ROOT, check=False, stdout=out).returncode


def choose_engine(mode: str, context: str | None, *, resuming: bool = False) -> None:
    if context is None:
        return
    if mode != "compose" and not resuming:
        raise BenchError(f"--context {context}: is for containers; add --mode compose, or leave it out")
    from bench.compose import engine

    engine.choose(context)


def prepare(found: catalog.Catalog, stacks: list[Stack], *, quiet: bool = False) -> tuple[list[Stack], dict[str, str]]:
    """Environments of the stacks' applications, made where they are missing.

    Returns the stacks that can run, and why the others cannot, by id. Raises BenchError where none can.
    """
    for line in session.recover():
        print(f"note: {line}", file=sys.stderr)
    apps = {(stack.app.name, stack.app.version): stack.app for stack in stacks}
    prepared = environments.prepare(
        found, apps.values(), lambda text: print(f"setup: {text}", file=sys.stderr if quiet else sys.stdout, flush=True)
    )
    absent = {stack.id: prepared.absent[stack.app.name] for stack in stacks if stack.app.name in prepared.absent}
    able = [stack for stack in stacks if stack.id not in absent]
    if not able and absent:
        raise BenchError(f"nothing is left to do: {'; '.join(dict.fromkeys(absent.values()))}")
    return able, absent


def generators(load_cpus: str | None, remote_workers: int, bind: str | None, port: int) -> Any:
    """Who loads; whoever is waited for is named on standard error."""
    from bench import solo

    chosen = solo.choose(load_cpus, remote=remote_workers, bind=bind, port=port)
    if text := solo.invitation(chosen):
        print(f"bench: {text}", file=sys.stderr)
    return chosen


def split(given: tuple[str, ...]) -> tuple[str, ...]:
    """Names may be given apart or with commas."""
    return tuple(part for word in given for part in word.split(",") if part)


def shown(path: Path) -> str:
    """Relative to where the user stands, where that is shorter to read."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
