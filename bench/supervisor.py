"""supervisord's configuration for the processes of one deployment, as aiohttp's and Tornado's documentation have it restart them.

https://docs.aiohttp.org/en/stable/deployment.html#supervisord and http://supervisord.org/configuration.html
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from bench.render import Command


def configuration(commands: Sequence[Command], folder: Path, logs: Path) -> str:
    """The file for `supervisord -n -c FILE`: one program for each command, restarted whenever it ends; a command's output goes to `logs`.

    All else is supervisord's default: a program that ends within its first second is given three more tries, each a second later.
    """
    sections = [
        _section(
            "supervisord", {"logfile": "/dev/null", "logfile_maxbytes": "0", "pidfile": f"{folder}/supervisord.pid"}
        )
    ]
    for command in commands:
        environment = ",".join(f'{name}="{_literal(value)}"' for name, value in command.env.items())
        sections.append(
            _section(
                f"program:{command.name}",
                {
                    "command": _literal(shlex.join(command.argv)), "directory": str(command.cwd), "environment": environment,
                    "autorestart": "true", "redirect_stderr": "true", "stdout_logfile": str(logs / f"{command.name}.log"),
                    "stdout_logfile_maxbytes": "0",
                },
            )
        )  # fmt: skip
    return "\n".join(sections)


def _section(name: str, values: dict[str, str]) -> str:
    return "".join([f"[{name}]\n", *(f"{key}={value}\n" for key, value in values.items())])


def _literal(value: str) -> str:
    """supervisord expands `%(name)s`."""
    return value.replace("%", "%%")
