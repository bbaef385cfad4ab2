"""`python -m analysis report RUN_DIR`: the report of a stored run, the page's path last; `slices DIR`: a study's tables."""

import argparse
import sys
from pathlib import Path

from bench.model import BenchError


def main(argv: list[str] | None = None) -> int:
    """Exit code 0, or 2 with one line on stderr when there is nothing to report on."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis", description="Reports from stored runs; no server is started."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser(
        "report", help="build report/index.html and the pictures of a run from its stored data"
    )
    report.add_argument("run", type=Path, metavar="RUN_DIR", help="the run's folder, such as results/latest")
    report.add_argument("--out", type=Path, metavar="DIR", help="where to write the report (default: RUN_DIR/report)")
    slices = commands.add_parser(
        "slices", help="what slice lengths do to ratios: the tables of a `bench slices` folder"
    )
    slices.add_argument("run", type=Path, metavar="DIR", help="the study's folder")
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "slices":
            from analysis.slices import report as tables

            print(tables(arguments.run))
            return 0
        from analysis.report import (
            build,  # pandas and matplotlib take seconds to import: not before the arguments are known to be good
        )

        print(build(arguments.run, out=arguments.out))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
