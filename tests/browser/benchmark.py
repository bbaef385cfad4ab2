"""How quick the page is with 500 cells: 50 stacks x 10 scenarios, filtered again and again in Chromium.

    make bench-page

Prints the page's size, its first paint, and how long each kind of change takes until the next frame is painted; fails where a filter takes
longer than LIMIT_MS in the middle. Figures are chosen, not measured: only the page's speed is of interest.
"""

import random
import statistics
import sys
import tempfile
from itertools import islice, product
from pathlib import Path

from playwright.sync_api import sync_playwright

from analysis.report import build
from bench import catalog
from tests.analysis.made_runs import SCENARIOS, STACKS, StoredRun, header, trial
from tests.browser.conftest import program

LIMIT_MS = 100.0
CELLS = (50, 10)
ROUNDS = 40
CHANGES = {
    "filter": ("[data-facet=framework]", "[data-facet=server]", "[data-facet=front]", "[data-facet=scenario]"),
    "baseline": ("#baseline",),
    "metric": ("#metric",),
    "scale": ("#scale",),
    "language": ("#language",),
}

TIMED = """async ([selectors, rounds]) => {
  const frame = () => new Promise(requestAnimationFrame), taken = [];
  for (let at = 0; at < rounds; at++) {
    const select = document.querySelector(selectors[at % selectors.length]);
    const others = [...select.options].filter((one) => one.value !== select.value);
    await frame();
    const began = performance.now();
    select.value = others[at % others.length].value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    document.body.getBoundingClientRect();
    await frame();
    taken.push(performance.now() - began);
  }
  return taken;
}"""


def stored(folder: Path) -> StoredRun:
    """A run of real stack names with chosen figures."""
    stacks = list(islice(catalog.load().stacks, CELLS[0]))
    scenarios = [f"scenario-{number}" for number in range(CELLS[1])]
    rng = random.Random(1)
    for name in stacks:
        app, *_ = name.split("/")
        STACKS[name] = (
            app.partition("+")[0],
            app.title(),
            rng.choice(["sync", "threads", "loops"]),
            rng.uniform(300, 6000),
        )
    SCENARIOS.update({name: rng.uniform(0.1, 1) for name in scenarios})
    trials = [
        trial(stack, scenario, view, block=block, copy=copy, noise=rng.lognormvariate(0, 0.02))
        for block, scenario, view, stack, copy in product(
            range(6), scenarios, ("capacity", "latency"), stacks, range(2)
        )
    ]
    return StoredRun(folder / "run", header(scenarios=scenarios, stacks=stacks, blocks=6, copies=2), trials)


def main() -> int:
    """The exit code."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as started:
        page_path = build(stored(Path(name)).write())
        print(f"{CELLS[0]} stacks x {CELLS[1]} scenarios, page of {page_path.stat().st_size / 1e6:.2f} MB")
        browser = started.chromium.launch(executable_path=program(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(page_path.as_uri())
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        print(f"first contentful paint after {paint:.0f} ms")
        medians = {}
        for kind, selectors in CHANGES.items():
            taken = sorted(page.evaluate(TIMED, [selectors, ROUNDS]))
            medians[kind] = statistics.median(taken)
            print(f"{kind:<10} median {medians[kind]:6.1f} ms, slowest of {len(taken)} {taken[-1]:6.1f} ms")
        browser.close()
    if medians["filter"] >= LIMIT_MS:
        print(f"a filter takes {medians['filter']:.0f} ms, the limit is {LIMIT_MS:.0f} ms", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
