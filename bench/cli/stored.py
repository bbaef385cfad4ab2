"""What is made of stored runs: reports, comparisons, and all of them in a browser."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bench import store
from bench.cli import base
from bench.model import BenchError


@base.app.command
def report(
    run: str | None = None, /, *, index: Annotated[bool, Parameter(negative=())] = False, lang: str = "en",
    results: Path = base.RESULTS,
) -> int:  # fmt: skip
    """Rebuild the report of a run (the latest when none is named) from stored data alone; prints its path.

    Parameters
    ----------
    run
        A run's id, or the path of its folder.
    index
        Rebuild no report, only the page of all runs, index.html in the folder that holds them.
    lang
        The language that the page opens in: en or zh. It holds both, and has a switch.
    results
        The folder that holds the runs.
    """
    from bench.run import write_report

    if index:
        if run:
            raise BenchError("--index is of all runs; name none")
        return base.analysis("index", str(results.absolute()))
    folder = store.find_run(results, run)
    if not write_report(folder, lambda text: print(f"bench: {text}", file=sys.stderr), language=lang):
        return 1
    base.console.print(base.shown(folder / "report" / "index.html"), soft_wrap=True)
    return 0


@base.app.command
def compare(
    first: str, second: str | None = None, /, *, fail_if: str | None = None, html: Annotated[bool, Parameter(negative=())] = False,
    copies: Annotated[bool, Parameter(negative=())] = False, verdicts: Annotated[bool, Parameter(negative=())] = False,
    results: Path = base.RESULTS, as_json: Annotated[bool, Parameter("--json")] = False,
) -> int:  # fmt: skip
    """Say who differs from whom in one run, or what changed from one run to another.

    Parameters
    ----------
    first
        A run's id, or the path of its folder.
    second
        A later run: its figures over those of the first, with intervals, and where the two runs differ.
    fail_if
        Exit code 1 where it is sure, where the runs are unlike, or where a figure of the first has none of the second to be judged by:
        'slower than 5%', 'costlier than 10%' (CPU), 'larger than 10%' (memory).
    html
        Write it as a page, compare-FIRST-SECOND.html in the folder that holds the runs; prints its path.
    copies
        Of one run: what the two copies of each stack differ by (A/A), and how wide the intervals are.
    verdicts
        Of the pairs that the first run calls different, how many the second confirms; exit code 1 where it contradicts one.
    results
        The folder that holds the runs.
    as_json
        Print one JSON object instead of text (two runs).
    """
    folders = [str(store.find_run(results, one)) for one in (first, second) if one]
    if second is None and (fail_if or as_json or html or verdicts):
        raise BenchError("--fail-if, --html, --json and --verdicts compare two runs; name the second one")
    if copies or verdicts:
        if fail_if or as_json or html or (copies and second):
            raise BenchError("--copies (of one run) and --verdicts (of two) print a table; give them alone")
        return base.analysis("verdicts" if verdicts else "copies", *folders)
    if html:
        if fail_if or as_json:
            raise BenchError("--html writes a page; give --fail-if and --json without it")
        code = base.analysis("between", *folders, "--html", str(results.absolute()))
        return code or base.analysis("index", str(results.absolute()), quiet=True)
    words = [*(["--fail-if", fail_if] if fail_if else []), *(["--json"] if as_json else [])]
    return base.analysis("between" if second else "compare", *folders, *words)


@base.app.command(name="serve-report")
def serve_report(run: str | None = None, /, *, port: int | None = None, results: Path = base.RESULTS) -> int:
    """Serve the reports on 127.0.0.1, read-only, until Ctrl-C; prints the URL of the page of all runs, or of one run's report.

    Parameters
    ----------
    run
        A run's id, the path of its folder, or latest.
    port
        The port on 127.0.0.1; a free one when left out.
    results
        The folder that holds the runs.
    """
    from bench import viewer

    folder = store.find_run(results, run)
    root = folder.parent
    if base.analysis("index", str(root), quiet=True):
        return 1
    with viewer.Viewer(root, port=port) as shown:
        print(shown.url(folder if run else None), flush=True)
        shown.wait()
    return 0
