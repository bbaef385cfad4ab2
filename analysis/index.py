"""`results/index.html`: all runs of a folder, what changed between like ones, and the history of each stack. One file, no network.

listed -> kinds -> write          (compare_page writes compare-A-B.html beside it, as `bench compare A B --html` does)
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from analysis import between as runs
from analysis import files, frames
from analysis.history import Listed, kinds, listed
from analysis.page.render import TEMPLATES, environment
from analysis.palette import INK
from analysis.stats import MIN_REPLICATES
from bench.model import BenchError


def build(results: Path) -> Path:
    """Write the index of the folder `results`, and the comparison of the newest run with the one before it that is like it.

    Raises BenchError where the folder cannot be read or written.
    """
    try:
        found = listed(results)
        _compare_newest(results, found)
        target = results / "index.html"
        pages = sorted(path.name for path in results.glob("compare-*.html"))
        files.replace(
            target, _render("index.html", runs=found, kinds=kinds(found), pages=pages, pairs=_pairs(found, pages))
        )
    except OSError as error:
        raise BenchError(f"{error.filename or results}: cannot write the index, {error.strerror}") from error
    return target


def _compare_newest(results: Path, found: Sequence[Listed]) -> None:
    figures = [one for one in found if not one.error and not one.claims and one.counts["measured"]]
    newest = figures[0] if figures else None
    like = [one for one in figures[1:] if newest and one.kind == newest.kind]
    if newest is None or not like:
        return
    try:
        compare_page(results / like[0].name, results / newest.name, results)
    except BenchError:  # nothing in common: there is no page, and the index shows no link
        return


def _pairs(found: Sequence[Listed], pages: Sequence[str]) -> dict[str, str]:
    """From the later run's name to the page that compares it with an earlier one, of several with the newest. `found`: the newest first."""
    linked = {}
    for place, two in enumerate(found):
        earlier = (page_name(one.name, two.name) for one in found[place + 1 :])
        if name := next((name for name in earlier if name in pages), None):
            linked[two.name] = name
    return linked


def page_name(first: str, second: str) -> str:
    """What the page of a comparison is called."""
    return f"compare-{first}-{second}.html"


def compare_page(first: Path, second: Path, results: Path) -> Path:
    """Write what changed from run `first` to run `second` as a page into `results`. Raises BenchError where nothing is comparable."""
    found = runs.between(frames.load(first), frames.load(second))
    target = results / page_name(first.resolve().name, second.resolve().name)
    metrics = [
        (words, better, [one for one in found.effects if one.metric == metric])
        for metric, (words, better) in runs.METRICS.items()
    ]
    try:
        files.replace(
            target,
            _render(
                "compare.html",
                found=found,
                metrics=metrics,
                shown=runs.shown,
                sure=_sure(found),
                left_out=runs.left_out(found),
            ),
        )
    except OSError as error:
        raise BenchError(f"{target}: cannot be written, {error.strerror}") from error
    return target


def _sure(found: runs.Between) -> str:
    """What stands above all figures of a comparison."""
    if not found.effects:
        return "Nothing that both runs have can be compared."
    if all(one.low is None for one in found.effects):
        return f"Fewer than {MIN_REPLICATES} blocks in one of the runs: no intervals, and no answers."
    if all(one.shift is None for one in found.effects):
        return "No stack is unchanged in both runs, so what the machine did between them is in every effect."
    if any(one.controls == 1 for one in found.effects):
        return "One unchanged stack alone tells what the machine did, and not how unlike that is for others: there are no answers by it."
    return "What unchanged stacks drifted between the runs is taken out of the others, and how unlike they drifted is in the intervals."


def _render(template: str, **values: Any) -> str:
    script = (TEMPLATES / "across.js").read_text("utf-8")
    return environment("en").get_template(template).render(
        colours=INK, style=Markup((TEMPLATES / "across.css").read_text("utf-8")), script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(), link=quote, **values,
    )  # fmt: skip
