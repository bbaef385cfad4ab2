"""Environments are made from pins alone, once, and the pins of one environment never contradict each other."""

import hashlib
import importlib.metadata
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_stacks import Tree

from bench import catalog, environments, static
from bench.environments import is_ready, locks_of, prepare, versions
from bench.languages import LANGUAGES
from bench.locking import lock, lock_only
from bench.model import BenchError

PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^ ;\\]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def real() -> catalog.Catalog:
    return catalog.load()


# The pins in the repository


def test_an_environments_pins_agree_whatever_file_they_stand_in(real: catalog.Catalog) -> None:
    for app in (one for one in real.apps.values() if one.language == "python"):
        found: dict[str, set[str]] = {}
        for path in locks_of(real, app):
            for pin in PIN.finditer(path.read_text()):
                found.setdefault(pin["name"], set()).add(pin["version"])
        assert {name: seen for name, seen in found.items() if len(seen) > 1} == {}, app.name
        # asyncio is a framework of Python's own.
        assert app.framework in found or app.framework in sys.stdlib_module_names


def test_every_pin_has_hashes_and_no_file_names_a_registry(real: catalog.Catalog) -> None:
    files = [
        *real.root.glob("requirements/*.txt"),
        *(path for app in real.apps.values() if app.language == "python" for path in locks_of(real, app)),
    ]
    assert len(files) >= 8
    for path in files:
        text = path.read_text()
        assert not re.search(r"://|index-url|find-links|trusted-host| @ ", text), path
        blocks = re.split(r"\n(?=\S)", text.strip())
        assert all("--hash=sha256:" in block for block in blocks if not block.startswith("#")), path


def test_every_server_that_names_distributions_pins_them(real: catalog.Catalog) -> None:
    runtimes = set(LANGUAGES)
    for server in real.servers.values():
        path = server.folder / "requirements.txt"
        pinned = {pin["name"] for pin in PIN.finditer(path.read_text())} if path.exists() else set()
        assert set(server.distributions) <= pinned | runtimes, server.name
        assert path.exists() == (server.folder / "requirements.in").exists(), server.name


def test_what_a_requirement_asks_for_is_pinned(real: catalog.Catalog) -> None:
    for source in [*real.root.glob("apps/*/requirements.in"), *real.root.glob("requirements/*.in")]:
        pinned = {pin["name"] for pin in PIN.finditer(source.with_suffix(".txt").read_text())}
        for line in source.read_text().splitlines():
            name = re.match(r"[A-Za-z0-9._-]+", line)
            if name and not line.startswith(("#", "-")):
                assert name.group().lower().replace("_", "-") in pinned, f"{source}: {line}"


# Making them


@pytest.fixture
def small(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Two applications, of which one needs nothing that could be made; nothing of it lies in the repository."""
    (tree.app("flask").parent / "requirements.txt").write_text("flask==3.1 \\\n    --hash=sha256:aa\n")
    tree.app("other", '[interfaces]\ncgi = "x"', language="perl")
    (tree.server("sync").parent / "requirements.txt").write_text("gunicorn==27.0.1 \\\n    --hash=sha256:bb\n")
    tree.server("plain")
    (tree.server("asgi", accepts=["asgi"]).parent / "requirements.txt").write_text("uvicorn==1\n")
    tree.front("direct")
    monkeypatch.setattr(environments, "ROOT", tree.root)
    monkeypatch.setattr(environments, "STATIC", tmp_path / "static")
    monkeypatch.setattr(environments, "path_of", lambda app: tmp_path / "envs" / app.name)
    return tree


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What uv was asked; it only makes folders here."""
    calls: list[tuple[str, ...]] = []

    def uv(*arguments: str, environment: Path | None = None) -> None:
        calls.append(arguments)
        if arguments[0] == "venv":
            Path(arguments[-1]).mkdir(parents=True, exist_ok=True)
        else:
            assert environment == tmp_path / "envs" / "flask"

    monkeypatch.setattr(environments, "uv", uv)
    return calls


def test_one_environment_holds_an_application_and_the_servers_that_host_it(
    small: Tree, asked: list[tuple[str, ...]], tmp_path: Path
) -> None:
    found = small.load()
    said: list[str] = []
    assert not is_ready(found, found.apps["flask"])
    assert is_ready(found, found.apps["other"])
    assert prepare(found, found.apps.values(), said.append).made == 1
    assert said == ["environment of flask: flask, sync"]
    venv, install = asked
    assert venv[-1] == str(tmp_path / "envs" / "flask")
    assert "--require-hashes" in install
    assert [Path(word).parent.name for word in install if word.endswith(".txt")] == ["flask", "sync"]
    assert is_ready(found, found.apps["flask"])


def test_what_stands_is_not_made_again_until_its_pins_change(small: Tree, asked: list[tuple[str, ...]]) -> None:
    found = small.load()
    assert prepare(found, found.apps.values(), lambda _: None).made == 1
    assert prepare(found, found.apps.values(), lambda _: None).made == 0
    assert len(asked) == 2
    (small.root / "deploy/servers/sync/requirements.txt").write_text("gunicorn==28\n")
    assert not is_ready(found, found.apps["flask"])
    assert prepare(found, found.apps.values(), lambda _: None).made == 1
    assert is_ready(found, found.apps["flask"])


def test_one_that_could_not_be_made_is_made_again(small: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: str, environment: Path | None = None) -> None:
        raise BenchError("uv pip install failed:\nno space left")

    found = small.load()
    monkeypatch.setattr(environments, "uv", broken)
    with pytest.raises(BenchError, match="no space left"):
        prepare(found, found.apps.values(), lambda _: None)
    assert not is_ready(found, found.apps["flask"])


def test_an_application_without_pins_says_what_to_do(small: Tree) -> None:
    (small.root / "apps/flask/requirements.txt").unlink()
    found = small.load()
    with pytest.raises(BenchError) as caught:
        prepare(found, found.apps.values(), lambda _: None)
    assert str(caught.value) == (
        "apps/flask/requirements.txt is missing; write requirements.in beside it and run `make lock`"
    )


def test_all_stacks_run_on_the_interpreter_of_the_tool(small: Tree, asked: list[tuple[str, ...]]) -> None:
    note = small.root / ".venv" / "forkloop-python"
    note.parent.mkdir()
    note.write_text("/usr/bin/python3.13")
    found = small.load()
    prepare(found, found.apps.values(), lambda _: None)
    assert asked[0][asked[0].index("--python") + 1] == "/usr/bin/python3.13"
    note.write_text("/usr/bin/python3.14")
    assert not is_ready(found, found.apps["flask"])


def test_static_files_are_made_once_and_are_the_same_everywhere(small: Tree) -> None:
    environments.make_static()
    folder = environments.STATIC
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == static.FILES
    assert (folder / "1kb.bin").read_bytes() == hashlib.shake_256(b"1kb.bin").digest(1024)
    kept = (folder / "10mb.bin").stat()
    (folder / "100kb.bin").write_bytes(b"cut off")
    environments.make_static()
    assert (folder / "100kb.bin").stat().st_size == 102_400
    assert (folder / "10mb.bin").stat().st_ino == kept.st_ino


# uv


@pytest.fixture
def uv(small: Tree) -> Callable[[str], Path]:
    """Put a script in the place of uv; returns the file to which it may write."""
    path = small.root / ".uv" / "bin" / "uv"
    path.parent.mkdir(parents=True)

    def put(script: str) -> Path:
        said = small.root / "said"
        path.write_text(f"#!/bin/sh\nsaid={said}\n{script}\n")
        path.chmod(0o755)
        return said

    return put


def test_uv_is_told_the_environment_and_nothing_of_ours(
    small: Tree, uv: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/ours")
    said = uv('echo "$1 [$VIRTUAL_ENV] $(pwd)" >> $said; [ "$1" = venv ] && mkdir -p "$6"; true')
    found = small.load()
    prepare(found, found.apps.values(), lambda _: None)
    assert said.read_text().splitlines() == [
        f"venv [] {small.root}", f"pip [{tmp_path / 'envs' / 'flask'}] {small.root}",
    ]  # fmt: skip


def test_an_installer_that_fails_is_quoted(small: Tree, uv: Callable[[str], Path]) -> None:
    uv('echo "error: hash mismatch for flask" >&2; exit 2')
    found = small.load()
    with pytest.raises(BenchError, match=r"^uv venv -q failed:\nerror: hash mismatch for flask$"):
        prepare(found, found.apps.values(), lambda _: None)


def test_without_uv_setup_is_named(small: Tree) -> None:
    found = small.load()
    with pytest.raises(BenchError, match=r"^uv is missing from .uv; run `make setup`$"):
        prepare(found, found.apps.values(), lambda _: None)


def test_locking_solves_all_together_and_says_what_changed(small: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, ...]] = []

    def compile_(*arguments: str, environment: Path | None = None) -> None:
        calls.append(arguments)
        target = Path(arguments[arguments.index("-o") + 1])
        target.write_text("flask==3.2 ; python_version > '3' \\\n    --hash=sha256:cc\n# note==1\n\nclick==8\n")

    own = [f"requirements/{name}.in" for name in ("uv", "tool", "dev", "peers", "valkey", "supervisor", "node", "go")]
    for place in (*own, "apps/flask/requirements.in"):
        (small.root / place).parent.mkdir(exist_ok=True)
        (small.root / place).write_text("flask\n")
    monkeypatch.setattr(environments, "uv", compile_)
    said: list[str] = []
    changes = lock(small.load(), said.append)
    assert said == [
        "requirements/uv.txt",
        "requirements/tool.txt",
        "requirements/dev.txt",
        "requirements/peers.txt",
        "requirements/valkey.txt",
        "requirements/supervisor.txt",
        "requirements/node.txt",
        "requirements/go.txt",
        "apps/flask/requirements.txt",
    ]
    assert changes[-2:] == [
        "apps/flask/requirements.txt: click none -> 8", "apps/flask/requirements.txt: flask 3.1 -> 3.2",
    ]  # fmt: skip
    together = calls[8][calls[8].index("-o") + 1]
    assert calls[8][-1].endswith("apps/flask/requirements.in")
    assert calls[9][calls[9].index("-c") + 1] == together
    assert not Path(together).exists()
    assert all("--generate-hashes" in call and "-c" not in call for call in calls[:8])
    assert lock(small.load(), said.append) == []


def test_a_name_is_locked_alone_against_what_the_others_have_pinned(
    small: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_(*arguments: str, environment: Path | None = None) -> None:
        constraints.append(Path(arguments[arguments.index("-c") + 1]).read_text())
        Path(arguments[arguments.index("-o") + 1]).write_text("falcon==4.2\n")

    constraints: list[str] = []
    small.app("falcon")
    (small.root / "apps/falcon/requirements.in").write_text("falcon\n")
    (small.root / "apps/flask/requirements.txt").write_text(
        "flask==3.1 ; python_version > '3' \\\n    --hash=sha256:cc\nclick==8\n"
    )
    monkeypatch.setattr(environments, "uv", compile_)
    said: list[str] = []
    assert lock_only(small.load(), ["falcon"], said.append) == ["apps/falcon/requirements.txt: falcon none -> 4.2"]
    assert said == ["apps/falcon/requirements.txt"]
    (asked,) = constraints
    assert {"click==8", "flask==3.1 ; python_version > '3'"} <= set(asked.splitlines())
    assert "hash" not in asked
    assert (small.root / "apps/flask/requirements.txt").read_text().startswith("flask==3.1"), "others stay"
    with pytest.raises(BenchError, match=r"^falcom: neither an application nor a server. Did you mean falcon\?$"):
        lock_only(small.load(), ["falcom"], said.append)
    (small.root / "apps/falcon/requirements.in").unlink()
    with pytest.raises(BenchError, match=r"^apps/falcon/requirements.in is not there"):
        lock_only(small.load(), ["falcon"], said.append)


# What is installed


def test_versions_are_asked_of_the_environments_own_interpreter(small: Tree, tmp_path: Path) -> None:
    app = small.load().apps["flask"]
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "flask").symlink_to(Path(sys.prefix))
    found = versions(app)
    assert found["msgspec"] == importlib.metadata.version("msgspec")
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (None, "No such file or directory"),
        ("#!/bin/sh\necho broken >&2; exit 1\n", "broken"),
    ],
)
def test_an_environment_that_does_not_run_says_what_mends_it(
    small: Tree, tmp_path: Path, make: str | None, why: str
) -> None:
    python: Any = tmp_path / "envs" / "flask" / "bin" / "python"
    if make:
        python.parent.mkdir(parents=True)
        python.write_text(make)
        python.chmod(0o755)
    with pytest.raises(BenchError) as caught:
        versions(small.load().apps["flask"])
    assert str(caught.value) == f"{python} does not run: {why}; `make setup` mends it"


def test_each_application_has_a_place_of_its_own(real: catalog.Catalog, tmp_path: Path) -> None:
    places = {environments.path_of(app, home=tmp_path) for app in real.apps.values()}
    assert places == {tmp_path / name for name in real.apps}


def test_environments_are_where_they_are_told_to_be(
    real: catalog.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "HOME", tmp_path)
    assert environments.path_of(real.apps["flask"]) == tmp_path / "flask"


def test_programs_are_had_beforehand_and_one_that_cannot_be_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    had, said = list[str](), list[str]()

    def runtime(name: str) -> Path:
        if name == "valkey":
            raise BenchError("uv pip install failed:\nno such package")
        had.append(name)
        return Path(name)

    monkeypatch.setattr(environments, "runtime", runtime)
    environments.prepare_programs(said.append)
    assert had == ["supervisor"]
    assert said == ["valkey is left out: uv pip install failed:; experiments that need it are not run"]
