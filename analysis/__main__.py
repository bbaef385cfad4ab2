"""`python -m analysis COMMAND`: from stored runs to a report, tables and answers, with no server up."""

import argparse
import json
import sys
from pathlib import Path

from bench.model import BenchError


def main(argv: list[str] | None = None) -> int:
    """Exit code 0, 1 where `--fail-if` found something or could not judge, or 2 with one line on stderr: nothing to report on."""
    arguments = _parser().parse_args(argv)
    try:
        print(
            _answer(arguments)
        )  # pandas and matplotlib take seconds to import: not before the arguments are known to be good
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    return int(getattr(arguments, "code", 0))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis", description="Reports from stored runs; no server is started."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str, folder: str = "RUN_DIR") -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        if folder:
            made.add_argument("run", type=Path, metavar=folder, help="the run's folder, such as results/latest")
        return made

    report = command("report", "build report/index.html and the pictures of a run from its stored data")
    report.add_argument("--out", type=Path, metavar="DIR", help="where to write the report (default: RUN_DIR/report)")
    report.add_argument("--index", action="store_true", help="also rebuild index.html of the folder that holds the run")
    report.add_argument("--lang", default="en", help="the language that the page opens in: en or zh (it holds both)")
    claims = command("claims", "judge the claims of a run: report/verdicts.json, the page and its pictures")
    claims.add_argument("--out", type=Path, metavar="DIR", help="where to write them (default: RUN_DIR/report)")
    claims.add_argument("--lang", default="en", help="the language that the page opens in: en or zh (it holds both)")
    docs = command(
        "claims-docs", "write docs/claims/: a page for each claim, with verdicts and pictures of a run", folder=""
    )
    docs.add_argument(
        "run",
        type=Path,
        nargs="?",
        metavar="RUN_DIR",
        help="the run to take verdicts and pictures from; claims it has not tried keep theirs",
    )
    docs.add_argument("--out", type=Path, metavar="DIR", help="where to write them (default: docs/claims)")
    command("index", "build index.html: all runs of a folder, and the history of each stack", folder="RESULTS_DIR")
    compare = command("compare", "who differs from whom, in words and letters")
    compare.add_argument("--scenario", action="append", metavar="NAME", help="only this one (may be repeated)")
    compare.add_argument("--metric", action="append", metavar="NAME", help="only this one, such as capacity_rps")
    between = command("between", "what changed from one run to another")
    between.add_argument("second", type=Path, metavar="RUN_DIR", help="the later run's folder")
    between.add_argument(
        "--html", type=Path, metavar="DIR", help="write it as a page into this folder instead; prints its path"
    )
    between.add_argument("--json", action="store_true", help="one JSON object, as docs/statistics.md describes")
    between.add_argument(
        "--fail-if",
        metavar="RULE",
        help="exit code 1 where surely, or not to be judged: 'slower than 5%%', 'costlier than 10%%', 'larger than 10%%'",
    )
    precision = command("precision", "how wide the intervals are so far, and which scenarios need more blocks")
    precision.add_argument(
        "--precision", type=_share, default=0.03, metavar="SHARE", help="half-width wanted (default: 3%%)"
    )
    precision.add_argument("--json", action="store_true", help="one JSON object, as docs/statistics.md describes")
    trust = command(
        "trust", "what a run said of stacks whose differences are known; exit code 1 where that does not hold"
    )
    trust.add_argument(
        "truth", nargs="+", type=_truth, metavar="STACK=FACTOR", help="throughput relative to the first stack's"
    )
    power = command("power", "what effects a run would find: simulated on the recorded drift", folder="")
    power.add_argument("--runs", type=_count, default=2000, help="simulated runs behind each figure (default: 2000)")
    command("slices", "what slice lengths do to ratios: the tables of a `bench slices` folder", folder="DIR")
    copies = command("copies", "what two copies of each stack differ by (A/A), and how wide the intervals are")
    copies.add_argument(
        "--scenario", action="append", default=[], metavar="NAME", help="only this one (may be repeated)"
    )
    verdicts = command("verdicts", "what a second run says of the pairs that the first one calls different")
    verdicts.add_argument("second", type=Path, metavar="RUN_DIR", help="the later run's folder")
    verdicts.add_argument("--metric", action="append", metavar="NAME", help="this one (may be repeated); capacity_rps")
    lengths = command(
        "lengths",
        "whether ratios depend on how long slices are: of folders of `bench trust`; exit code 1 unless all agree",
        folder="",
    )
    lengths.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="a study; several of the same pairs count together",
    )
    return parser


def _truth(word: str) -> tuple[str, float]:
    stack, _, factor = word.rpartition("=")
    try:
        found = float(factor)
    except ValueError:
        found = 0.0
    if not stack or not found > 0:
        raise argparse.ArgumentTypeError(f"expected STACK=FACTOR, such as a/b/c=0.95, not {word}")
    return stack, found


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a number of 1 or more, not {text}")
    return int(text)


def _share(text: str) -> float:
    """0.03 or 3%. argparse turns what this raises into its one line."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"expected a share such as 3% or 0.03, not {text}")
    return share


def _index_too(run: Path) -> None:
    """The index beside the run; a report is not lost because its index could not be written."""
    from analysis import index

    try:
        index.build(run.resolve().parent)
    except BenchError as error:
        print(f"note: {error}", file=sys.stderr)


def _answer(arguments: argparse.Namespace) -> str:
    if arguments.command == "slices":
        from analysis import slices

        return slices.report(arguments.run)
    if arguments.command == "lengths":
        from analysis import lengths

        said, holds = lengths.report(arguments.folders)
        arguments.code = 0 if holds else 1
        return said
    if arguments.command == "power":
        from analysis.stats import power

        return power.text(runs=arguments.runs)
    if arguments.command == "report":
        from analysis import report, words

        page = report.build(arguments.run, out=arguments.out, language=words.named(arguments.lang))
        if arguments.index:
            _index_too(arguments.run)
        return str(page)
    if arguments.command == "claims":
        from analysis import words
        from analysis.claims import report as claims

        page = claims.build(arguments.run, out=arguments.out, language=words.named(arguments.lang))
        return f"{claims.summary(arguments.run)}\n{page}"
    if arguments.command == "claims-docs":
        from analysis.claims import pages

        written = pages.write(arguments.run, out=arguments.out or pages.DOCS)
        return f"{len(written)} pages in {written[0].parent}"
    if arguments.command == "index":
        from analysis import index

        return str(index.build(arguments.run))
    if arguments.command == "between" and arguments.html:
        from analysis import index

        return str(index.compare_page(arguments.run, arguments.second, arguments.html))
    from analysis import frames

    loaded = frames.load(arguments.run)
    if arguments.command == "between":
        from analysis import between

        found_between = between.between(loaded, frames.load(arguments.second), fail_if=arguments.fail_if)
        if found_between.failures or found_between.unjudged or (arguments.fail_if and found_between.unlike):
            arguments.code = 1
        return json.dumps(found_between.as_json()) if arguments.json else between.text(found_between)
    if arguments.command == "copies":
        from analysis import copies

        return copies.text(loaded, scenarios=arguments.scenario)
    if arguments.command == "verdicts":
        from analysis import repeat

        said, holds = repeat.text(loaded, frames.load(arguments.second), metrics=arguments.metric or ["capacity_rps"])
        arguments.code = 0 if holds else 1
        return said
    if arguments.command == "trust":
        from analysis import trust

        verdict = trust.judge(loaded, dict(arguments.truth))
        arguments.code = 0 if verdict.holds else 1
        return verdict.text
    if arguments.command == "compare":
        from analysis.stats import text

        return text.compare(loaded, scenarios=arguments.scenario, metrics=arguments.metric)
    from analysis.stats import precision

    found = precision.precision(loaded, wanted=arguments.precision)
    return json.dumps(found) if arguments.json else precision.text(found)


if __name__ == "__main__":
    sys.exit(main())
