"""Links lead somewhere, and what a reader is told to type exists: make targets, subcommands, options, profiles, stacks."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
from markdown_pages import ROOT, Page, page, pages

from bench import catalog, stackid
from bench.cli.base import app
from bench.model import BenchError
from bench.plan import PROFILES

PAGES = pages()
BY_PATH = {one.path: one for one in PAGES}
FOUND = catalog.load()
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = dict(re.findall(r"^([a-z][a-z-]*):(?!=)(.*)$", MAKEFILE, re.MULTILINE))
EXAMPLES = {"apps/falcon", "cheroot", "nginx-no-retry", "falcon", "queries-100"}
"""What docs/adding.md and docs/adding-a-framework.md add, and no one else has."""

every_page = pytest.mark.parametrize("one", PAGES, ids=str)


def test_the_pages_are_there() -> None:
    names = {str(one) for one in PAGES}
    assert names >= {"README.md", "CONTRIBUTING.md", "apps/CONTRACT.md", "results/README.md"}
    assert names >= {
        f"docs/{name}.md" for name in ("stacks", "manifests", "results", "measuring", "adding", "adding-a-framework")
    }


@every_page
def test_links_resolve(one: Page) -> None:
    broken = [link for link in one.links() if not resolves(one, link)]
    assert broken == []


def resolves(one: Page, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return link.startswith("https://")
    target, _, anchor = link.partition("#")
    path = (one.path.parent / target).resolve() if target else one.path
    if not path.exists() or not path.is_relative_to(ROOT):
        return False
    return not anchor or (path.suffix == ".md" and anchor in _anchors(path))


@cache
def _anchors(path: Path) -> set[str]:
    return BY_PATH.get(path, Page(path)).anchors()


@every_page
def test_every_make_target_that_is_mentioned_exists(one: Page) -> None:
    mentioned = {found[1] for command in one.commands() if (found := re.match(r"make ([a-z][a-z-]*)", command))}
    assert mentioned - TARGETS.keys() == set()


@pytest.mark.services
def test_make_help_lists_every_target_but_those_that_only_others_need() -> None:
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = set(re.findall(r"^ +make ([a-z-]+) +\S", told, re.MULTILINE))
    needed = {word for rest in TARGETS.values() for word in rest.partition("##")[0].split()}
    assert listed <= TARGETS.keys()
    assert TARGETS.keys() - listed <= needed


@every_page
def test_every_bench_command_that_is_mentioned_exists_with_its_options(one: Page) -> None:
    for command in one.commands():
        found = re.match(r"(?:\.venv/bin/)?bench (.+)", command)
        if not found:
            continue
        name, *rest = found[1].split()
        assert name in list(app), f"{one}: no subcommand {name!r} in {command!r}"
        if name == "new":
            name, rest = f"{name} {rest[0]}", rest[1:]
        given = {word.partition("=")[0].strip("[]") for word in rest if word.lstrip("[").startswith("--")}
        assert given <= _options(name), f"{one}: {command!r}"


@cache
def _options(name: str) -> set[str]:
    """Of a subcommand: its name, or its group's and its own."""
    command = app
    for part in name.split():
        command = command[part]
    return {option for argument in command.assemble_argument_collection() for option in argument.names}


@every_page
def test_every_profile_that_is_mentioned_exists(one: Page) -> None:
    named = re.findall(r"(?:bench run.*--profile[ =]|PROFILE=)([a-z]+)", one.text)
    assert set(named) <= PROFILES.keys()


@every_page
def test_every_stack_that_is_mentioned_fits_together(one: Page) -> None:
    for command in one.commands():
        for word in re.split(r"[\s,']+", command):
            parsed = _stack(word)
            if parsed is None or parsed.app not in FOUND.apps or EXAMPLES & {parsed.server, parsed.front}:
                continue
            catalog.resolve(FOUND, word)


def _stack(word: str) -> stackid.StackId | None:
    try:
        return stackid.parse(word)
    except BenchError:
        return None


@every_page
def test_every_path_that_is_mentioned_exists(one: Page) -> None:
    own = re.compile(r"(?:apps|analysis|bench|deploy|docs|loadtests|requirements|tests|\.ci)/[\w./-]*")
    paths = {found[0] for command in one.commands() if (found := own.fullmatch(command))}
    added = _added()
    absent = {path for path in paths if "NAME" not in path and not (ROOT / path).exists()}
    assert {path for path in absent - added.keys() if not _made(path, added)} == set()


@cache
def _added() -> dict[str, str]:
    return page("docs/adding.md").files() | page("docs/adding-a-framework.md").files()


def _made(path: str, added: dict[str, str]) -> bool:
    """Whether a command makes it of a file that the page adds, as `make lock` does."""
    return Path(path).with_suffix(".in").as_posix() in added
