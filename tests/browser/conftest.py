"""Chromium, a report made of a run that was really measured (`cut.py`), and pages on which nothing may go wrong unseen."""

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from analysis.report import build
from bench.viewer import Viewer

STORED = Path(__file__).parent / "run"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
RUN = "20261127-000000-0000"
"""What the stored run's folder is called."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


def program() -> str | None:
    """Chromium: FORKLOOP_CHROMIUM names it, else it is the machine's."""
    return os.environ.get("FORKLOOP_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def unpacked(folder: Path) -> Path:
    """The stored run as `bench run` leaves it, in a new folder within `folder`."""
    run = folder / RUN
    shutil.copytree(STORED, run)
    packed = run / "trials.jsonl.gz"
    (run / "trials.jsonl").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    return run


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with the stored run and its report."""
    folder = tmp_path_factory.mktemp("results")
    build(unpacked(folder))
    return folder


@pytest.fixture(scope="session")
def served(results: Path) -> Iterator[Viewer]:
    """The folder over HTTP, as `bench serve-report` does it."""
    with Viewer(results) as viewer:
        yield viewer


@pytest.fixture(scope="session")
def url(served: Viewer, results: Path) -> str:
    """Where the report is."""
    return served.url(results / RUN)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    found = program()
    if found is None:
        pytest.fail("no Chromium: apt-get install chromium, or name its program in FORKLOOP_CHROMIUM", pytrace=False)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@dataclass
class Watched:
    """What went on in a browser's context: every address that was asked for, and everything that is an error."""

    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


Open = Callable[..., Page]


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def opened(chromium: Browser, url: str, watched: Watched) -> Iterator[Open]:
    """Opens the report: `opened(hash, address=, width=, height=, **what browser.new_context takes)`.

    When the test is over, no page may have logged an error or a warning, raised one, opened a dialog, or asked for another address.
    """
    contexts: list[BrowserContext] = []

    def make(hash_: str = "", *, address: str = url, width: int = 1280, height: int = 800, **how: object) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": height}, **how)  # type: ignore[arg-type]
        contexts.append(context)
        context.on("request", lambda request: watched.asked.append(request.url))
        context.on("weberror", lambda error: watched.wrong.append(f"raised: {error.error}"))
        context.on(
            "console", lambda said: watched.wrong.append(said.text) if said.type in ("error", "warning") else None
        )
        context.on("dialog", lambda dialog: (watched.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page = context.new_page()
        page.goto(f"{address}{f'#{hash_}' if hash_ else ''}")
        return page

    yield make
    for context in contexts:
        context.close()
    assert watched.wrong == []
