"""The command `bench`: each subcommand is one call of the layers below, and every mistake of the user's is one clear line."""

import errno
import sys
from collections.abc import Sequence

from bench import session
from bench.cli import base, loading, run, stacks, stored, trying, upkeep
from bench.model import BenchError

__all__ = ["base", "loading", "main", "run", "stacks", "stored", "trying", "upkeep"]

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""The disk is full, or the user's share of it is, or it may not be written."""


def main() -> None:
    """Entry point. Exit codes: 0 all well, 1 a trial or a check failed, 2 a mistake in the call or the set-up, 130 interrupted."""
    session.stop_on_signals()
    try:
        code = base.app(_resume_the_latest(sys.argv[1:]))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("bench: interrupted; nothing is left running", file=sys.stderr)
        code = base.INTERRUPTED
    except BrokenPipeError:
        code = 1
    except OSError as error:
        if error.errno not in _DISK:
            raise
        print(
            f"bench: {error.filename or 'a file'}: cannot be written: {error.strerror}; what was finished is kept",
            file=sys.stderr,
        )
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


def _resume_the_latest(words: Sequence[str]) -> list[str]:
    """`--resume` without a run stands for the latest one."""
    return [
        piece
        for at, word in enumerate(words)
        for piece in (
            (word, "latest")
            if word == "--resume" and (at + 1 == len(words) or words[at + 1].startswith("--"))
            else (word,)
        )
    ]
