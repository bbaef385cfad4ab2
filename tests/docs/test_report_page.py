"""docs/report.md, held to what is written: columns, states and keys."""

import json
import re
from pathlib import Path

from markdown_pages import code, page

from analysis import exports, further
from bench import cli, run, sofar

REPORT = page("docs/report.md")
SCHEMA = json.loads((Path(exports.__file__).parent / "schemas" / "report.schema.json").read_text())


def names(heading: str, table: int = 0) -> list[str]:
    return [name for row in REPORT.tables(heading)[table] for name in code(row[0])]


def test_every_column_is_documented_in_its_order() -> None:
    assert tuple(names("Estimates")) == exports.ESTIMATE_COLUMNS
    assert tuple(names("Pairs")) == exports.PAIR_COLUMNS
    assert tuple(names("Percentiles")) == further.PERCENTILE_COLUMNS
    assert tuple(names("Effects")) == further.EFFECT_COLUMNS


def test_every_state_is_documented() -> None:
    assert tuple(names("Estimates", 1)) == exports.STATES


def test_every_key_of_the_document_is_documented() -> None:
    assert sorted(names("report.json")) == sorted(SCHEMA["properties"])


def test_every_key_of_what_a_run_prints_is_documented() -> None:
    printed = cli.run._outcome(run.Outcome(), sofar.Figures(), 0.0, reported=False)
    assert sorted(names("While a run goes on")) == sorted(printed)


def test_every_key_of_an_address_is_documented() -> None:
    script = (Path(exports.__file__).parent / "templates" / "page.js").read_text()
    facets = json.loads(script[script.index("const FACETS = ") :].partition("= ")[2].partition(";")[0])
    assert set(names("Addresses of views")) == {
        *facets,
        *re.findall(r'key === "(\w+)"', script.partition("function written")[0]),
    }
