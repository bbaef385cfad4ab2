"""Manifests that are wrong in one place say which file and which key, and what would be right."""

import tomllib
from pathlib import Path

import pytest
from made_stacks import Tree

from bench.manifest import AppManifest, FrontManifest, ScenarioManifest, ServerManifest, nearest, read
from bench.model import BenchError


def said(path: Path, kind: type) -> str:
    with pytest.raises(BenchError) as caught:
        read(path, kind)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


def test_a_manifest_with_every_key_is_read(tree: Tree) -> None:
    tables = '[interfaces]\nwsgi = "a:b"\n[variants.raw]\ndescription = "SQL"\ndata = "psycopg"\nenv = { DATA = "raw" }'
    path = tree.app("x", tables, default="s/f", core=["s/g"], missing=["io"], language="python")
    found = read(path, AppManifest)
    assert (found.default, found.core, found.missing) == ("s/f", ["s/g"], ["io"])
    assert found.interfaces == {"wsgi": "a:b"}
    assert found.variants["raw"].env == {"DATA": "raw"}


def test_what_is_left_out_has_defaults(tree: Tree) -> None:
    found = read(tree.front("f"), FrontManifest)
    assert (found.accepts_many, found.adds, found.template, found.process) == (False, [], None, [])
    served = read(tree.server("s"), ServerManifest)
    assert (served.endpoints, served.workers.threads, served.process[0].instances) == ("one", "1", "1")


@pytest.mark.parametrize(
    ("keys", "tables", "expected"),
    [
        ({"titel": "x"}, "", "unknown key 'titel'. Did you mean title?"),
        ({"omit": ["date"]}, "", "unknown key 'omit'. Did you mean omits?"),
        ({}, '[options.workers]\ndescription = "x"\ndefaullt = "1"', "unknown key 'options[...].defaullt'. Did you mean default?"),
        ({}, '[workers]\nrulle = "1"\nprocesses = "1"', "unknown key 'workers.rulle'. Did you mean rule?"),
        ({"zzzzzz": 1}, "", "unknown key 'zzzzzz'. Known: title, "),
    ],
)  # fmt: skip
def test_a_misspelt_key_is_named_with_the_nearest(
    tree: Tree, keys: dict[str, object], tables: str, expected: str
) -> None:
    assert said(tree.server("s", tables, **keys), ServerManifest).startswith(expected)


def test_a_misspelt_key_of_a_process_is_named(tree: Tree) -> None:
    path = tree.server("s")
    path.write_text(path.read_text().replace("argv", "arg"))
    assert said(path, ServerManifest) == "unknown key 'process[0].arg'. Did you mean argv?"


def test_a_misspelt_key_of_a_variant_is_named(tree: Tree) -> None:
    path = tree.app("x", '[interfaces]\n[variants.raw]\ndescripton = "x"\ndata = "y"')
    assert said(path, AppManifest) == "unknown key 'variants[...].descripton'. Did you mean description?"


@pytest.mark.parametrize(
    ("key", "inside"), [("title", ""), ("speaks", ""), ("role", "process[0]."), ("rule", "workers.")]
)
def test_a_missing_key_is_named(tree: Tree, key: str, inside: str) -> None:
    path = tree.server("s")
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith(f"{key} =")))
    assert said(path, ServerManifest).startswith(f"the key '{inside}{key}' is missing; add it")


def test_a_value_of_the_wrong_type_is_named_with_its_key(tree: Tree) -> None:
    assert said(tree.front("f", accepts_many="yes"), FrontManifest) == "key 'accepts_many': expected `bool`, got `str`"
    assert said(tree.front("g", transports="tcp"), FrontManifest) == "key 'transports': expected `array`, got `str`"
    assert said(tree.front("h", transports=[1]), FrontManifest) == "key 'transports[0]': expected `str`, got `int`"


def test_a_scenario_may_hold_keys_for_the_load_generator(tree: Tree) -> None:
    found = read(tree.scenario("s", '[check]\nkind = "exact"', order=3), ScenarioManifest)
    assert (found.order, found.windows) == (3, "slice")


def test_files_that_are_no_manifests(tmp_path: Path) -> None:
    path = tmp_path / "app.toml"
    assert said(path, AppManifest) == "cannot be read: No such file or directory"
    path.write_text("title = ")
    assert said(path, AppManifest).startswith("is not valid TOML: ")
    path.write_bytes(b'title = "\xff"')
    assert said(path, AppManifest).startswith("is not valid TOML: ")


def test_nearest_falls_back_on_what_there_is() -> None:
    assert nearest("gunicorn", ["gunicorn-sync", "uwsgi"]) == " Did you mean gunicorn-sync?"
    assert nearest("zz", ["a", "b"]) == " Known: a, b."
    assert nearest("zz", [f"n{i}" for i in range(20)]).endswith("n11, ....")
    assert nearest("zz", []) == ""


def test_the_skeletons_here_are_toml(tree: Tree) -> None:
    for path in (tree.app("a"), tree.server("s"), tree.front("f"), tree.scenario("x")):
        assert tomllib.loads(path.read_text())["title"]
