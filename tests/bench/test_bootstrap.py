"""From nothing but a Python, and nothing again where all is there. No installer runs here: what it is asked is looked at."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from bench import bootstrap

Commands = list[list[str]]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "requirements").mkdir()
    for name in ("uv", "tool", "dev"):
        (tmp_path / "requirements" / f"{name}.txt").write_text(f"{name}==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    return tmp_path


@pytest.fixture
def commands(root: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """What was run; environments come to be with a Python and a uv in them."""
    said: Commands = []

    def run(command: list[str], quiet: bool = False, env: dict[str, str] | None = None) -> None:
        said.append(command)
        for home in (root / ".uv", root / ".venv"):
            if str(home) == command[-1]:
                (home / "bin").mkdir(parents=True)
                for name in ("python", "uv"):
                    (home / "bin" / name).touch()

    monkeypatch.setattr(bootstrap, "_run", run)
    return said


def test_uv_comes_first_and_builds_the_rest(root: Path, commands: Commands) -> None:
    bootstrap.main([])
    venv, pip, make, sync, install = commands
    assert venv == [sys.executable, "-m", "venv", str(root / ".uv")]
    assert pip[0] == str(root / ".uv/bin/python")
    assert pip[-3:] == ["--require-hashes", "-r", str(root / "requirements/uv.txt")]
    assert make[0] == sync[0] == install[0] == str(root / ".uv/bin/uv")
    assert str(root / ".venv") in make
    assert "--require-hashes" in sync
    assert sync[-1] == str(root / "requirements/tool.txt")
    assert install[-1] == str(root)


def test_a_second_time_does_nothing(root: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    bootstrap.main([])
    assert "setup: fetching uv" in capsys.readouterr().out
    commands.clear()
    bootstrap.main([])
    assert commands == []
    assert capsys.readouterr().out == ""


def test_what_was_once_asked_for_stays(root: Path, commands: Commands) -> None:
    bootstrap.main(["dev"])
    assert commands[3][-2:] == [str(root / "requirements/tool.txt"), str(root / "requirements/dev.txt")]
    commands.clear()
    bootstrap.main([])
    assert commands == []


def test_a_changed_pin_syncs_and_a_changed_interpreter_makes_anew(
    root: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap.main([])
    commands.clear()
    (root / "requirements/tool.txt").write_text("tool==2\n")
    bootstrap.main([])
    assert [command[1] for command in commands] == ["pip", "pip"]
    commands.clear()
    monkeypatch.setattr(bootstrap, "_interpreter", lambda: None)
    monkeypatch.setattr(bootstrap, "_made_with", lambda _: "/gone/python3.12")
    (root / ".venv/bin/python").unlink()
    (root / ".venv/bin/uv").unlink()
    (root / ".venv/bin").rmdir()
    bootstrap.main([])
    assert commands[0][commands[0].index("--python") + 1] == bootstrap.WANTED


def test_what_was_cut_off_is_done_again(root: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap.main([])
    (root / "requirements/tool.txt").write_text("tool==2\n")
    obedient = bootstrap._run

    def fail(command: list[str], quiet: bool = False, env: dict[str, str] | None = None) -> None:
        raise SystemExit("no network")

    monkeypatch.setattr(bootstrap, "_run", fail)
    with pytest.raises(SystemExit):
        bootstrap.main([])
    monkeypatch.setattr(bootstrap, "_run", obedient)
    commands.clear()
    bootstrap.main([])
    assert len(commands) == 2


def test_a_command_that_fails_ends_with_what_it_was(root: Path) -> None:
    with pytest.raises(SystemExit, match=r"^setup: 'sh -c exit 3 ...' failed with exit code 3"):
        bootstrap._run(["sh", "-c", "exit 3"])
    with pytest.raises(subprocess.CalledProcessError):
        bootstrap._run(["sh", "-c", "exit 3"], quiet=True)


def test_a_python_without_venv_says_which_package_has_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], quiet: bool = False, env: dict[str, str] | None = None) -> None:
        raise subprocess.CalledProcessError(1, command, output="ensurepip is not available\n")

    monkeypatch.setattr(bootstrap, "_run", fail)
    with pytest.raises(SystemExit, match="python3-venv"):
        bootstrap.main([])


def test_the_interpreter_is_ours_if_new_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = bootstrap._interpreter()
    assert found is not None
    assert Path(found).exists()
    assert ".venv" not in found
    monkeypatch.setattr(bootstrap, "OLDEST", (99, 0))
    assert bootstrap._interpreter() is None


def test_it_needs_the_standard_library_only_and_reads_on_an_old_python() -> None:
    assert bootstrap.__file__ is not None
    tree = ast.parse(Path(bootstrap.__file__).read_text(), feature_version=(3, 8))
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
    }
    assert names <= sys.stdlib_module_names
