"""What README.md must hold. The other tests of this folder read it too: its links, its commands, its stacks."""

import re

from markdown_pages import ROOT, Page, page

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


def test_it_says_what_the_figures_are_not() -> None:
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
