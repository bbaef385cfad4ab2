"""What supervisord is told."""

from configparser import RawConfigParser
from pathlib import Path

from bench.render import Command
from bench.supervisor import configuration


def test_each_command_is_a_program_that_is_always_started_again(tmp_path: Path) -> None:
    commands = [
        Command(role="app", argv=("/env/bin/python", "run me.py", "--at=50%"),
                env={"URL": "x?a=b%3Dc", "N": "4"}, cwd=Path("/app"), name="app-0"),
        Command(role="app", argv=("serve",), env={}, cwd=Path("/app"), name="app-1"),
    ]  # fmt: skip
    read = RawConfigParser()
    read.read_string(configuration(commands, tmp_path, tmp_path / "logs"))
    assert read.sections() == ["supervisord", "program:app-0", "program:app-1"]
    first = read["program:app-0"]
    assert first["command"] == "/env/bin/python 'run me.py' --at=50%%"
    assert first["environment"] == 'URL="x?a=b%%3Dc",N="4"'
    assert (first["autorestart"], first["directory"]) == ("true", "/app")
    assert first["stdout_logfile"] == str(tmp_path / "logs" / "app-0.log")
