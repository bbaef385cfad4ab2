r"""Cuts a real run down to what the browser's tests need, with nothing of the machine in it but its figures.

    .venv/bin/python tests/browser/cut.py results/latest --stacks 'flask/gunicorn-sync/nginx' ... --scenarios fortunes io \
        --requests io-latency-80

It keeps the header, the trials of the named stacks and scenarios, their rendered configuration, and of the requests those of the named
cells, with what the page reads of them. The host's name and the paths of the
clone are replaced; figures, flags and reasons stay as they were measured.
"""

import argparse
import gzip
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from bench.catalog import ROOT

TARGET = Path(__file__).parent / "run"
BY_STACK = ("observed", "verified")
COLUMNS = ["target", "intended_s", "end_s", "error", "phase"]
"""What analysis.spectra reads."""


def main() -> None:
    """Write `tests/browser/run`."""
    parser = argparse.ArgumentParser(description="Cut a run down for the browser's tests.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--stacks", nargs="+", required=True)
    parser.add_argument("--scenarios", nargs="+", required=True)
    parser.add_argument("--requests", nargs="*", default=[], metavar="SCENARIO-VIEW")
    given = parser.parse_args()
    header = json.loads((given.run / "run.json").read_text("utf-8"))
    clean = _cleaner(header["environment"]["host"], given.run)
    kept = _header(header, given.stacks, given.scenarios)
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir()
    (TARGET / "run.json").write_text(clean(json.dumps(kept, indent=1, ensure_ascii=False)) + "\n", "utf-8")
    lines = [
        clean(line)
        for line in (given.run / "trials.jsonl").read_text("utf-8").splitlines()
        if (one := json.loads(line))["stack"] in given.stacks and one["scenario"] in given.scenarios
    ]
    packed = gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)
    (TARGET / "trials.jsonl.gz").write_bytes(packed)
    deployments = [one["deployment_id"] for line in lines if (one := json.loads(line))]
    for path in sorted((given.run / "requests").glob("*.parquet")):
        if path.stem.partition("-")[2] in given.requests:
            (TARGET / "requests").mkdir(exist_ok=True)
            rows = pq.read_table(path, columns=COLUMNS, filters=[("target", "in", deployments)])
            pq.write_table(rows, TARGET / "requests" / path.name, compression="zstd", compression_level=19)
    for stack in given.stacks:
        name = stack.replace("/", "--")
        for path in sorted((given.run / "configs" / name).glob("*")):
            target = TARGET / "configs" / name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(clean(path.read_text("utf-8")), "utf-8")
    print(f"{len(lines)} trials, {sum(path.stat().st_size for path in TARGET.rglob('*') if path.is_file())} bytes")


def _header(header: dict[str, Any], stacks: list[str], scenarios: list[str]) -> dict[str, Any]:
    header["environment"]["kernel"] = header["environment"]["kernel"].partition("-")[0]
    plan = header["plan"]
    plan["stacks"] = [one for one in plan["stacks"] if one["id"] in stacks]
    plan["scenarios"] = [one for one in plan["scenarios"] if one in scenarios]
    for key in ("views", "titles"):
        plan[key] = {name: value for name, value in plan[key].items() if name in scenarios}
    for key in BY_STACK:
        header[key] = {name: value for name, value in header[key].items() if name in stacks}
    header["hashes"]["stacks"] = _only(header["hashes"].get("stacks", {}), stacks)
    header["hashes"]["scenarios"] = _only(header["hashes"].get("scenarios", {}), scenarios)
    header["pilot"] = {name: _only(found, stacks) for name, found in _only(header["pilot"], scenarios).items()}
    return header


def _only(found: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name in names}


def _cleaner(host: str, run: Path) -> Any:
    """Takes the host's name and every path of the machine out of a text."""
    roots = {str(ROOT), str(run.resolve().parents[1])}
    found = re.compile("|".join(re.escape(root) for root in sorted(roots, key=len, reverse=True)))
    scratch = re.compile(r"/tmp/forkloop-[\w.-]+")
    named = re.compile(rf"\b{re.escape(host)}\b")

    def clean(text: str) -> str:
        return named.sub("a-machine", scratch.sub("/tmp/forkloop-x", found.sub("/forkloop", text)))

    return clean


if __name__ == "__main__":
    main()
