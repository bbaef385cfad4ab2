"""What other programs read: no cell left out, letters and ranks as the comparison has them, a schema that holds, text made harmless."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from made_runs import StoredRun, unmeasured
from test_spectra import store

from analysis import document as published
from analysis import exports, further, summary
from analysis.evidence import Evidence, gather
from analysis.frames import load

SCHEMA = json.loads((Path(exports.__file__).parent / "schemas" / "report.schema.json").read_text())
FLASK, DJANGO = "flask/gunicorn-sync/nginx", "django/gunicorn-sync/nginx"


def written(run: StoredRun, out: Path) -> tuple[Evidence, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    evidence = gather(load(run.write()))
    exports.write(evidence, out)
    tables = [pd.read_parquet(out / "data" / f"{name}.parquet") for name in ("estimates", "pairs")]
    return evidence, *tables, json.loads((out / "report.json").read_text())  # type: ignore[return-value]


@pytest.fixture(scope="session")
def seven(make_run: Callable[..., StoredRun]) -> StoredRun:
    """Seven blocks: enough for intervals."""
    return make_run(scenarios=["db", "json"], blocks=7, copies=2)


def test_the_schema_is_one_and_names_the_columns() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert tuple(SCHEMA["$defs"]["estimate"]["properties"]) == exports.ESTIMATE_COLUMNS
    assert SCHEMA["$defs"]["estimate"]["properties"]["state"]["enum"] == list(exports.STATES)
    assert SCHEMA["properties"]["schema"]["const"] == published.SCHEMA


def test_every_estimate_stands_with_its_interval_letters_and_rank(seven: StoredRun, tmp_path: Path) -> None:
    evidence, estimates, pairs, document = written(seven, tmp_path)
    jsonschema.validate(document, SCHEMA)
    found = evidence.comparisons["db", "capacity", "capacity_rps"]
    rows = estimates[(estimates["scenario"] == "db") & (estimates["metric"] == "capacity_rps")].set_index("stack")
    assert len(rows) == 4
    for place in found.places:
        row = rows.loc[place.stack]
        assert (row["letters"], row["rank_low"], row["rank_high"]) == (place.letters, *place.rank)
        assert row["low"] < row["estimate"] < row["high"]
        assert (row["deployments"], row["blocks"], row["unit"], row["better"]) == (14, 7, "requests/s", "higher")
        assert row["different"] + row["equivalent"] + row["unresolved"] == 3
    mine = pairs[(pairs["scenario"] == "db") & (pairs["metric"] == "capacity_rps")]
    assert len(mine) == 6
    first = mine.iloc[0]
    pair = found.pair(first["stack"], first["other"])
    assert pair
    assert (first["ratio"], first["low"], first["high"]) == pytest.approx(pair.bounds())
    assert first["low"] < first["low_alone"] < first["ratio"] < first["high_alone"] < first["high"]
    assert document["run"]["trials"] == len(seven.trials)


def test_csv_and_parquet_hold_the_same(seven: StoredRun, tmp_path: Path) -> None:
    _, estimates, pairs, document = written(seven, tmp_path)
    for name, table in (("estimates", estimates), ("pairs", pairs)):
        with (tmp_path / "data" / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == list(table.columns)
        assert len(rows) == len(table)
        column = "estimate" if name == "estimates" else "ratio"
        assert [float(row[column] or "nan") for row in rows] == pytest.approx(list(table[column]), nan_ok=True)
    assert len(document["estimates"]) == len(estimates)
    assert not list(tmp_path.rglob(".*.new"))


def test_no_cell_is_left_out_and_each_without_a_figure_says_why(mixed_run: StoredRun, tmp_path: Path) -> None:
    _, estimates, pairs, document = written(mixed_run, tmp_path)
    jsonschema.validate(document, SCHEMA)
    by = estimates.set_index(["stack", "scenario", "view", "metric"])
    failed = by.loc[FLASK, "db", "capacity", "capacity_rps"]
    assert (failed["state"], failed["reason"]) == ("failed", "worker exited 70 <b>&</b>")
    assert pd.isna(failed["estimate"])
    assert by.loc[DJANGO, "fortunes", "latency", "p99_ms"]["state"] == "skipped"
    bound = by.loc["aiohttp/multi/nginx", "plaintext", "capacity", "capacity_rps"]
    assert (bound["state"], bound["reason"], bound["flags"]) == ("bound", "generator-bound", "generator-bound")
    assert by.loc[FLASK, "json", "latency", "p99_9_ms"]["state"] == "no-figure"
    few = by.loc[FLASK, "json", "capacity", "capacity_rps"]
    assert (few["state"], few["reason"]) == ("not-compared", "1 block: an interval needs 6")
    assert set(estimates["letters"]) == {""}
    assert len(pairs) == 0
    cells = {(s, c) for s, c in zip(estimates["stack"], estimates["scenario"], strict=True) if c != "(all)"}
    assert len(cells) == 16


@pytest.mark.parametrize("status", ["interrupted", "running", None])
def test_a_run_that_was_cut_off_has_rows_for_what_is_missing(
    make_run: Callable[..., StoredRun], tmp_path: Path, status: str | None
) -> None:
    run = make_run(scenarios=["db", "json"])
    run.trials = [trial for trial in run.trials if trial["scenario"] == "db"]
    run.header["status"] = status
    run.extra_lines = ['{"cut off']
    _, estimates, _, document = written(run, tmp_path)
    jsonschema.validate(document, SCHEMA)
    assert set(estimates.loc[estimates["scenario"] == "json", "state"]) == {"missing"}
    assert len(document["run"]["damaged"]) == 1
    said = (tmp_path / "summary.md").read_text()
    assert "The run is not complete" in said
    assert "1 records could not be read" in said


def test_a_run_of_nothing_has_empty_tables_and_says_so(make_run: Callable[..., StoredRun], tmp_path: Path) -> None:
    run = make_run(scenarios=["db"])
    run.trials, run.header = [], {"schema": 1}
    _, estimates, pairs, document = written(run, tmp_path)
    jsonschema.validate(document, SCHEMA)
    assert (len(estimates), len(pairs)) == (0, 0)
    assert "No trial was recorded." in (tmp_path / "summary.md").read_text()


def test_views_are_kept_apart(make_run: Callable[..., StoredRun], tmp_path: Path) -> None:
    run = make_run(scenarios=["db"], blocks=6)
    own = [
        trial | {"view": "latency-80", "trial_id": "x" + trial["trial_id"]}
        for trial in run.trials
        if trial["view"] == "latency"
    ]
    run.trials += own
    _, estimates, pairs, _ = written(run, tmp_path)
    p99 = estimates[estimates["metric"] == "p99_ms"]
    assert p99.groupby("view")["stack"].nunique().to_dict() == {"latency": 4, "latency-80": 4}
    assert set(pairs.loc[pairs["metric"] == "p99_ms", "view"]) == {"latency", "latency-80"}
    assert "| `db` `latency-80` p99 |" in (tmp_path / "summary.md").read_text()


def test_text_from_outside_is_no_formula_and_no_markup(make_run: Callable[..., StoredRun], tmp_path: Path) -> None:
    run = make_run(scenarios=["db"])
    run.replace(FLASK, "db", "capacity", lambda t: unmeasured(t, "failed", "=1+1|`x` <script>@me\n# no"))
    for record in [*run.trials, *run.header["plan"]["stacks"]]:
        for key in ("stack", "id"):
            if record.get(key) == DJANGO:
                record[key] = "dj|`ango<img src=x>/a/b"
    written(run, tmp_path)
    table = (tmp_path / "data" / "estimates.csv").read_text()
    assert "'=1+1" in table
    assert not re.search(r'(^|,)"?=', table, re.MULTILINE)
    said = (tmp_path / "summary.md").read_text()
    spans = re.sub(r"`[^`]*`", "", said)
    assert "<img" not in spans
    assert "<script" not in spans


# The summary


def told(run: StoredRun) -> str:
    return summary.text(gather(load(run.write())))


def test_the_summary_says_who_leads_and_by_how_much(seven: StoredRun) -> None:
    lines = told(seven).splitlines()
    (row,) = [line for line in lines if line.startswith("| `db` ") and "CPU a request" in line]
    _, leads, following, sure = row.strip("| ").split(" | ")
    assert "`aiohttp/multi/nginx`, " in leads
    assert re.search(r"\[[\d,]+, [\d,]+\]; costs .* MiB", leads)
    assert re.match(r"`tornado/multi/nginx` (-\d+(\.\d)?% \[|0\.\d+x \[)", following)
    assert "7 blocks" in sure
    assert "different" in sure


@pytest.mark.parametrize(
    ("blocks", "stands", "answer", "says"), [(30, "tie", "equivalent", " tie, "), (6, "open", "unresolved", " no winner yet, ")]
)  # fmt: skip
def test_alike_stacks_tie_only_where_that_was_shown(
    make_run: Callable[..., StoredRun], blocks: int, stands: str, answer: str, says: str
) -> None:
    run = make_run(scenarios=["db"], blocks=blocks, copies=2)
    for trial in run.trials:
        if trial["stack"] == "tornado/multi/nginx" and trial["view"] == "capacity":
            trial["requests"] = round(trial["requests"] * 2)
            trial["rps"] = trial["requests"] / 3
    found = gather(load(run.write())).comparisons["db", "capacity", "capacity_rps"]
    first, how = summary.leaders(found)
    assert {place.stack for place in first} == {"tornado/multi/nginx", "aiohttp/multi/nginx"}
    pair = found.pair("tornado/multi/nginx", "aiohttp/multi/nginx")
    assert pair
    assert (how, pair.answer) == (stands, answer)
    apart = replace(found.places[0], stack="bottle/gunicorn-sync/nginx")
    assert summary.leaders(replace(found, places=(*found.places, apart)))[1] == "open", "one was compared with nobody"
    assert says in told(run)


def test_without_intervals_nobody_leads(mixed_run: StoredRun) -> None:
    said = told(mixed_run)
    assert "No intervals, so no ranks: they need 6 blocks" in said
    rows = [line for line in said.splitlines() if line.startswith("| `")]
    assert len(rows) == 8
    assert all("no ranks" in row for row in rows)


def test_the_summary_has_at_most_60_lines_and_counts_the_rest(make_run: Callable[..., StoredRun]) -> None:
    names = [f"scenario-{number}" for number in range(40)]
    lines = told(make_run(scenarios=names)).splitlines()
    assert len(lines) <= summary.MOST_LINES
    rows = sum(line.startswith("| `") for line in lines)
    (rest,) = [line for line in lines if line.startswith("and ")]
    assert rows + int(rest.split()[1]) == 80
    assert lines[-1].startswith("All figures")


def test_a_generator_at_its_limit_and_wide_copies_are_marked(seven: StoredRun, mixed_run: StoredRun) -> None:
    assert "- **!** The generator used at most 93% of its CPU (limit 85%)." in told(mixed_run)
    assert "- **-** 32 trials: 2 failed, 1 skipped, 2 flagged." in told(mixed_run)
    assert "- **+** The generator used at most 40% of its CPU (limit 85%)." in told(seven)
    assert re.search(r"- \*\*\+\*\* Copies of one stack agree within \d\.\d%", told(seven))


def test_without_p99_the_summary_tells_the_highest_percentile_that_was_compared(
    make_run: Callable[..., StoredRun], tmp_path: Path
) -> None:
    run = make_run(scenarios=["db"], blocks=6, copies=2)
    for trial in run.trials:
        if trial["latency_ms"]:
            trial["latency_ms"]["p99"] = None
    written(run, tmp_path)
    told_of = (tmp_path / "summary.md").read_text()
    assert re.search(r"\| `db` p90 \| `aiohttp/multi/nginx`, 0\.\d+ \[", told_of)
    assert "p99" not in told_of


def test_percentiles_and_effects_have_tables_of_their_own(make_run: Callable[..., StoredRun], tmp_path: Path) -> None:
    run = make_run(scenarios=["db"], blocks=6, copies=2)
    for trial in run.trials:
        if (trial["stack"], trial["view"]) == (DJANGO, "latency"):
            trial |= {"flags": ["generator-late"], "requests": 600}
    store(run, lambda block: np.arange(1, 101, dtype=float))
    written(run, tmp_path)
    tails = pd.read_parquet(tmp_path / "data" / "percentiles.parquet")
    assert list(tails.columns) == list(further.PERCENTILE_COLUMNS)
    mine = tails[tails["stack"] == FLASK].set_index("percentile")
    assert mine["estimate_ms"].to_dict() == pytest.approx({"p50": 50, "p90": 90, "p99": 99})
    assert set(mine["requests"]) == {1200}
    assert set(mine["flags"]) == {""}
    assert set(tails.loc[tails["stack"] == DJANGO, "flags"]) == {"generator-late load-not-reached"}
    parts = pd.read_parquet(tmp_path / "data" / "effects.parquet")
    mine = parts[(parts["metric"] == "capacity_rps") & (parts["part"] == "application")].set_index(["before", "after"])
    assert mine.loc[("django", "flask"), "ratio"] == pytest.approx(2100 / 1300, rel=0.03)
    assert set(mine["answer"]) == {"too few pairs"}
    with (tmp_path / "data" / "effects.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(parts)


def test_without_requests_or_intervals_these_tables_have_heads_only(mixed_run: StoredRun, tmp_path: Path) -> None:
    written(mixed_run, tmp_path)
    for name, columns in (("percentiles", further.PERCENTILE_COLUMNS), ("effects", further.EFFECT_COLUMNS)):
        assert (tmp_path / "data" / f"{name}.csv").read_text() == ",".join(columns) + "\n"
