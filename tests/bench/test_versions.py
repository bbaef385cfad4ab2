"""Other versions beside the pinned ones: what an id says, which stacks get a twin, and what goes into its environment."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_stacks import Tree

from bench import environments, versions
from bench.catalog import Catalog
from bench.model import BenchError


@pytest.fixture
def found(tree: Tree) -> Catalog:
    tree.server("plain")
    tree.server("bare")
    tree.front("direct")
    for name in ("ant", "bee"):
        folder = tree.app(name).parent
        (folder / "requirements.in").write_text(
            "# its framework\nAnt.Work\npsycopg[binary,pool]\n" if name == "ant" else "bee\n"
        )
    (tree.root / "deploy/servers/plain/requirements.in").write_text("gunicorn\n")
    return tree.load()


@pytest.mark.parametrize(
    ("version", "package"),
    [
        ("5.2", "ant==5.2"),
        ("6.1rc1", "ant==6.1rc1"),
        ("gunicorn_26.0", "gunicorn==26.0"),
        ("ant_work_1.0", "ant-work==1.0"),
        (None, None),
    ],
)
def test_what_a_version_stands_for(found: Catalog, version: str | None, package: str | None) -> None:
    assert versions.package(replace(found.apps["ant"], version=version)) == package


def test_a_version_that_is_none(tree: Tree, found: Catalog) -> None:
    stack = tree.stack("ant@new/plain/direct")
    with pytest.raises(BenchError, match="'ant@new': expected a version, as in"):
        versions.package(stack.app)


def test_stacks_that_hold_the_package_get_a_twin(found: Catalog) -> None:
    stacks = list(found.stacks.values())
    ids = [stack.id for stack in versions.beside(found, stacks, ["gunicorn==26.0", "bee==2", "ant-work==1.0"])]
    assert ids == [
        "ant/bare/direct", "ant@ant_work_1.0/bare/direct",
        "ant/plain/direct", "ant@gunicorn_26.0/plain/direct", "ant@ant_work_1.0/plain/direct",
        "bee/bare/direct", "bee@2/bare/direct",
        "bee/plain/direct", "bee@gunicorn_26.0/plain/direct", "bee@2/plain/direct",
    ]  # fmt: skip


def test_versions_in_a_manifest_are_measured_in_every_run(tree: Tree, found: Catalog) -> None:
    tree.app("cow", versions=["5.2", "gunicorn_26.0"])
    found = tree.load()
    stacks = [found.stacks["cow/plain/direct"]]
    ids = [stack.id for stack in versions.beside(found, stacks, [])]
    assert ids == ["cow/plain/direct", "cow@5.2/plain/direct", "cow@gunicorn_26.0/plain/direct"]
    twin = tree.stack("cow@5.2/plain/direct")
    assert versions.beside(found, [twin], []) == [twin], "one that was asked for by itself has no twins"
    tree.app("cow", versions=["new"])
    with pytest.raises(BenchError, match="'cow@new': expected a version"):
        versions.beside(tree.load(), [tree.stack("cow/plain/direct")], [])


def test_a_twin_is_a_stack_of_its_own_in_an_environment_of_its_own(tree: Tree, found: Catalog, tmp_path: Path) -> None:
    plain, twin = found.stacks["bee/plain/direct"], tree.stack("bee@2/plain/direct")
    assert environments.path_of(plain.app, home=tmp_path) == tmp_path / "bee"
    assert environments.path_of(twin.app, home=tmp_path) == tmp_path / "bee@2"
    assert (twin.app.version, twin.slug) == ("2", "bee@2--plain--direct")
    assert not {"default", "core"} & twin.tags


@pytest.mark.parametrize(
    ("asked", "said"),
    [("django", "--with django: expected a package and its version, as in django==5.2"),
     ("django==5.2", "--with django==5.2: no selected stack has that package")],
)  # fmt: skip
def test_what_cannot_be_had_beside(found: Catalog, asked: str, said: str) -> None:
    with pytest.raises(BenchError) as refused:
        versions.beside(found, list(found.stacks.values()), [asked])
    assert said in str(refused.value)


def test_its_pins_come_from_the_application_and_every_server_with_the_one_package_replaced(
    tree: Tree, found: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []

    def uv(*words: str, **_: object) -> None:
        calls.append(words)
        Path(words[words.index("-o") + 1]).write_text("pins")

    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(environments, "uv", uv)
    app = tree.stack("bee@gunicorn_26.0/plain/direct").app
    (lock,) = environments.locks_of(found, app)
    assert lock == tmp_path / ".cache/versions/bee@gunicorn_26.0.txt"
    assert [Path(word).parent.name for word in calls[0] if word.endswith("requirements.in")] == ["bee", "plain"]
    assert Path(calls[0][calls[0].index("--override") + 1]).read_text() == "gunicorn==26.0\n"
    environments.locks_of(found, app)
    assert len(calls) == 1, "made once"
    (app.folder / "requirements.in").write_text("bee\nother\n")
    environments.locks_of(found, app)
    assert len(calls) == 2, "made anew when what it comes from has changed"


def test_a_version_that_does_not_exist_is_one_line(
    tree: Tree, found: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uv(*_: str, **__: object) -> None:
        raise BenchError("uv pip failed:\n  No solution found:\n  there is no version of bee==99")

    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(environments, "uv", uv)
    with pytest.raises(BenchError) as refused:
        environments.locks_of(found, tree.stack("bee@99/plain/direct").app)
    assert str(refused.value).startswith("bee@99: bee==99 cannot be had: uv pip failed: No solution found")
    assert "\n" not in str(refused.value)
