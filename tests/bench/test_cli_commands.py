"""`bench claims`, `new app`, `compose`, `lock NAME` and `serve-report --port`, as typed."""

import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_cli

from bench import catalog, cli, locking, viewer
from bench.claims import command
from bench.compose import topfile
from bench.store import RunStore

bench, asked = test_cli.bench, test_cli.asked
Call = Callable[..., test_cli.Done]


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder in the place of this repository for what is written; the catalogue is read from the real one."""
    made = tmp_path / "root"
    made.mkdir()
    monkeypatch.setattr(catalog, "ROOT", made)
    return made


# bench claims

CLAIMS: dict[str, Any] = {
    "only": (), "quick": False, "cpus": None, "mode": "native", "seed": None, "time_budget": None, "results": cli.base.RESULTS,
    "as_json": False, "prepare": cli.base.prepare,
}  # fmt: skip
"""What `bench claims` asks for without a word."""


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("", {}),
        ("--only 2,6 13", {"only": ("2", "6", "13")}),
        ("--quick", {"quick": True}),
        ("--cpus server=0,load=1", {"cpus": "server=0,load=1"}),
        ("--mode compose", {"mode": "compose"}),
        ("--seed 7", {"seed": 7}),
        ("--time-budget 1h30m", {"time_budget": "1h30m"}),
        ("--results out", {"results": Path("out")}),
        ("--json", {"as_json": True}),
        ("--only 2 --quick --seed 0", {"only": ("2",), "quick": True, "seed": 0}),
    ],
)
def test_each_option_of_claims_arrives_under_its_own_name(
    bench: Call, monkeypatch: pytest.MonkeyPatch, words: str, changes: dict[str, Any]
) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(command, "run", lambda **how: given.append(how) or 3)
    done = bench("claims", *words.split())
    assert (done.code, done.out, done.err) == (3, "", "")
    assert given == [{**CLAIMS, "words": ["bench", "claims", *words.split()], **changes}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--only", "two"), "bench: --only two: expected numbers of claims, such as 2,6\n"),
        (("--time-budget", "soon"), "bench: --time-budget soon: expected a time such as 30m, 90s or 1h30m\n"),
    ],
)
def test_a_mistake_in_claims_is_one_line(bench: Call, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = bench("claims", *words, "--results", str(tmp_path))
    assert (done.code, done.out, done.err) == (2, "", said)
    assert list(tmp_path.iterdir()) == []


# bench new app


@pytest.mark.parametrize(
    ("words", "interface", "stack"),
    [
        ((), "wsgi", "sun-flower/gunicorn-sync/nginx"),
        (("--interface", "asgi"), "asgi", "sun-flower/uvicorn/nginx"),
        (("--interface", "native"), "native", "sun-flower/single/direct"),
    ],
)
def test_a_new_application_is_written_and_the_next_step_said(
    bench: Call, root: Path, words: tuple[str, ...], interface: str, stack: str
) -> None:
    done = bench("new", "app", "sun-flower", *words)
    assert (done.code, done.err) == (0, "")
    files = sorted(path.name for path in (root / "apps" / "sun-flower").iterdir())
    assert "app.toml" in files
    assert done.out.splitlines() == [
        *(f"wrote apps/sun-flower/{name}" for name in files), f"next: .venv/bin/bench verify {stack}"
    ]  # fmt: skip
    assert f"{interface} = " in (root / "apps" / "sun-flower" / "app.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("Sun",), "'Sun': a name is lower-case letters, digits and single hyphens"),
        (("sun", "--interface", "wgsi"), "--interface wgsi: unknown. Did you mean wsgi or asgi?"),
        (("there",), "apps/there is there already; choose another name, or remove it"),
    ],
)
def test_an_application_that_cannot_be_made_is_one_line(
    bench: Call, root: Path, words: tuple[str, ...], said: str
) -> None:
    (root / "apps" / "there").mkdir(parents=True)
    assert bench("new", "app", *words) == test_cli.Done(code=2, out="", err=f"bench: {said}\n")
    assert [path.name for path in (root / "apps").iterdir()] == ["there"]


def test_nothing_is_written_without_a_name(bench: Call, root: Path) -> None:
    assert bench("new", "app").code == 2
    assert list(root.iterdir()) == []


# bench compose


@pytest.fixture
def few(root: Path, monkeypatch: pytest.MonkeyPatch) -> catalog.Catalog:
    """Two stacks of the catalogue: to render all of them takes long."""
    found = catalog.load()
    names = ("flask/gunicorn-sync/nginx", "aiohttp/single/direct")
    some = replace(found, stacks={name: found.stacks[name] for name in names})
    monkeypatch.setattr(catalog, "load", lambda: some)
    return some


def test_the_compose_file_is_checked_written_and_checked_again(bench: Call, root: Path, few: catalog.Catalog) -> None:
    file = root / topfile.NAME
    differs = f"{topfile.NAME} differs from apps/ and deploy/; `bench compose --write` writes it\n"
    assert bench("compose") == test_cli.Done(code=1, out=differs, err="")
    assert not file.exists(), "to check writes nothing"
    done = bench("compose", "--write")
    assert (done.code, done.err) == (0, "")
    services = re.fullmatch(rf"{topfile.NAME}: (\d+) services in profiles\n", done.out)
    assert services
    assert int(services[1]) >= len(few.stacks)
    assert file.read_text("utf-8") == topfile.expected(few)
    assert bench("compose") == test_cli.Done(code=0, out=f"{topfile.NAME} is as apps/ and deploy/ say\n", err="")
    edited = file.read_text("utf-8").replace("cpuset", "cpusets", 1)
    file.write_text(edited, encoding="utf-8")
    assert bench("compose") == test_cli.Done(code=1, out=differs, err="")
    assert file.read_text("utf-8") == edited


# bench lock NAME


def test_names_are_locked_alone_and_what_changed_is_said(bench: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, ...]] = []

    def lock_only(found: catalog.Catalog, names: tuple[str, ...], say: Callable[[str], None]) -> list[str]:
        given.append(names)
        say("apps/flask/requirements.txt")
        return ["apps/flask/requirements.txt: flask 3.0 -> 3.1"] if "flask" in names else []

    def never(*_: Any) -> None:
        raise AssertionError("only those named")

    monkeypatch.setattr(locking, "lock_only", lock_only)
    monkeypatch.setattr(locking, "lock", never)
    done = bench("lock", "flask", "uvicorn")
    said = "lock: apps/flask/requirements.txt\napps/flask/requirements.txt: flask 3.0 -> 3.1\n"
    assert done == test_cli.Done(code=0, out=said, err="")
    assert bench("lock", "uvicorn").out == "lock: apps/flask/requirements.txt\nnothing changed\n"
    assert given == [("flask", "uvicorn"), ("uvicorn",)]


def test_a_name_that_is_not_there_locks_nothing(bench: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "_compile", lambda *_: [])
    done = bench("lock", "flask", "flsk")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("bench: flsk: neither an application nor a server. Did you mean flask or")


# bench serve-report --port


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C as soon as it would wait."""

    def wait(_: viewer.Viewer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(viewer.Viewer, "wait", wait)


@pytest.mark.usefixtures("interrupted", "asked")
@pytest.mark.parametrize(("words", "port"), [((), None), (("--port", "8765"), 8765)])
def test_reports_are_served_on_the_port_that_is_named(
    bench: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...], port: int | None
) -> None:
    given: list[tuple[Path, int | None]] = []

    class Kept(viewer.Viewer):
        def __init__(self, root: Path, *, port: int | None = None) -> None:
            given.append((root, port))
            super().__init__(root)  # on a free port: the one named may be another's here

    monkeypatch.setattr(viewer, "Viewer", Kept)
    RunStore.create(tmp_path, {}).close()
    done = bench("serve-report", *words, "--results", str(tmp_path))
    assert done.code == 130
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\n", done.out)
    assert given == [(tmp_path, port)]


@pytest.mark.usefixtures("interrupted", "asked")
def test_a_port_that_is_taken_or_is_none_is_one_line(bench: Call, tmp_path: Path) -> None:
    RunStore.create(tmp_path, {}).close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = bench("serve-report", "--port", str(port), "--results", str(tmp_path))
    said = f"bench: port {port} on 127.0.0.1 cannot be had: Address already in use; choose another with --port\n"
    assert done == test_cli.Done(code=2, out="", err=said)
    done = bench("serve-report", "--port", "70000", "--results", str(tmp_path))
    assert done.err == "bench: port 70000 on 127.0.0.1 cannot be had: it is none; choose another with --port\n"


def test_without_an_index_nothing_is_served(bench: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli.base, "analysis", lambda *words, quiet: 2)
    RunStore.create(tmp_path, {}).close()
    assert bench("serve-report", "--results", str(tmp_path)) == test_cli.Done(code=1, out="", err="")
