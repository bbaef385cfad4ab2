"""What README.md must hold. The other tests of this folder read it too: its links, its commands, its stacks."""

import re

from markdown_pages import ROOT, Page, code, page

from analysis.stats.intervals import MIN_REPLICATES
from analysis.stats.pairs import MARGIN
from bench import catalog
from bench.plan import PROFILES

README = page("README.md")
PNG = b"\x89PNG\r\n\x1a\n"


def test_it_opens_with_the_two_commands() -> None:
    opening = "\n".join(README.text.splitlines()[:25])
    assert re.search(r"^ *make bench\b", opening, re.MULTILINE)
    assert re.search(r"^ *make test\b", opening, re.MULTILINE)
    first = [command for command in README.commands() if command][:2]
    assert [command.split()[:2] for command in first] == [["make", "bench"], ["make", "test"]]


def test_it_shows_a_picture_of_a_report() -> None:
    shown = [image for image in README.images() if re.fullmatch(r"docs/images/[\w.-]+\.png", image)]
    assert shown
    for image in shown:
        assert (ROOT / image).read_bytes().startswith(PNG)


def test_its_pictures_follow_the_readers_theme_and_are_told_in_words() -> None:
    pictures = re.findall(r"<picture>(.*?)</picture>", README.text, re.DOTALL)
    assert len(pictures) >= 2
    for one in pictures:
        light, dark = (
            re.findall(r'src="docs/images/(\w+)-light\.png"', one),
            re.findall(r'srcset="docs/images/(\w+)-dark\.png"', one),
        )
        assert light == dark
        assert "prefers-color-scheme: dark" in one
        assert len(re.findall(r'alt="([^"]+)"', one)[0]) > 40


def test_every_server_front_and_scenario_is_in_its_table() -> None:
    found = catalog.load()
    for heading, parts in (("Servers", found.servers), ("Fronts", found.fronts), ("Scenarios", found.scenarios)):
        assert list(table(heading)) == list(parts)
    assert {name: row[0] for name, row in table("Servers").items()} == {
        one.name: one.title for one in found.servers.values()
    }
    assert {name: row[0] for name, row in table("Fronts").items()} == {
        one.name: one.title for one in found.fronts.values()
    }


def test_every_application_is_in_its_table() -> None:
    told = " ".join(row[0] for row in README.tables("What it compares")[0]).casefold()
    assert [app.name for app in catalog.load().apps.values() if app.name not in told] == []


def table(heading: str) -> dict[str, list[str]]:
    return {code(row[0])[0]: row[1:] for row in README.tables(heading)[0]}


def test_its_figures_of_a_run_are_those_in_force() -> None:
    """Profiles change, and nobody looks here: it went on to speak of a twentieth of a second."""
    means = " ".join(README.section("What the numbers mean").split())
    standard = PROFILES["standard"]
    part = {0.05: "twentieth", 0.1: "tenth", 0.2: "fifth"}[standard.slice_s]
    assert f"in slices of a {part} of a second" in means
    assert f"Below {MIN_REPLICATES} blocks there is no interval" in means
    assert f"`make bench` plans {standard.blocks}," in means
    assert f"`PROFILE=quick` has {'one' if PROFILES['quick'].blocks == 1 else PROFILES['quick'].blocks}." in means
    assert f"beyond a margin ({MARGIN:.0%}," in means
    assert standard.budget_s is not None
    assert 25 * 60 <= standard.budget_s < 30 * 60, "it says half an hour"


def test_it_says_what_the_figures_are_not() -> None:
    assert README.section("What they do not mean").count("\n- ") >= 2
    assert "Limitations" in README.headings()
    assert README.section("Limitations").count("\n- ") >= 3


def test_every_page_of_the_documentation_can_be_reached_from_it() -> None:
    reached, left = set(), [README.path]
    while left:
        path = left.pop()
        if path not in reached and path.suffix == ".md" and path.exists():
            reached.add(path)
            left += [(path.parent / link.partition("#")[0]).resolve() for link in Page(path).links()]
    pages = {*(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md", ROOT / "apps/CONTRACT.md"}
    assert pages - reached == set()
