"""docs/claims/: made from the claim files and stored verdicts, every claim has its page, and pages say what the files say."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main
from analysis.claims import pages, sentences
from analysis.claims.rule import claim as claim_of
from analysis.words import Said
from bench.model import BenchError
from tests.analysis import stored_claims as stored

FILES = sorted(pages.CLAIMS.glob("*.toml"))
TABLES = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in FILES}
RAN: Any = {
    "id": 13,
    "status": "judged",
    "verdict": "supported",
    "run": {"run_id": "20260101-000000-aaaa", "quick": False},
}
AGAIN = "run `.venv/bin/python -m analysis claims-docs`"


def test_every_claim_has_its_page_and_pages_agree_with_the_claim_files() -> None:
    made = pages.pages(pages.CLAIMS, pages.stored(pages.DOCS))
    there = {path.name: path.read_text("utf-8") for path in pages.DOCS.glob("*.md")}
    assert there.keys() == made.keys(), AGAIN
    assert set(there) == {f"{path.stem}.md" for path in FILES} | {"README.md"}
    assert [name for name in made if made[name] != there[name]] == [], AGAIN


def test_every_picture_of_the_pages_is_there_and_no_other() -> None:
    told = {name for one in pages.stored(pages.DOCS).get("claims", []) for name in one["pictures"]}
    images = pages.DOCS / pages.IMAGES
    assert {f"{pages.IMAGES}/{path.name}" for path in images.glob("*")} == told


@pytest.mark.parametrize("name", TABLES)
def test_every_figure_that_decides_has_words(name: str) -> None:
    rules = [*TABLES[name].get("check", []), *TABLES[name].get("control", [])]
    assert [one["metric"] for one in rules if not isinstance(sentences.metric(one["metric"]), Said)] == []


def test_there_are_nineteen_claims_in_both_languages() -> None:
    assert [table["number"] for table in TABLES.values()] == list(range(1, 20))
    for name, table in TABLES.items():
        spoken = [table[key] for key in ("title", "statement", "prediction", "mechanism", "changes")] + table["traps"]
        for text in spoken:
            assert set(text) == {"en", "zh"}, name
            assert any("\u4e00" <= letter <= "\u9fff" for letter in text["zh"]), name
            assert not any("\u4e00" <= letter <= "\u9fff" for letter in text["en"]), name
        assert bool(table["quote"]) == bool(table["quote_en"]), name


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of pages, and of claim files of which one is the run's claim 13 and one was never run."""
    base = tmp_path_factory.mktemp("docs")
    run = stored.everything(base / stored.RUN_ID)
    head = json.loads((run / "run.json").read_text())
    head["claims"] = {"13": head["claims"]["13"]}
    records = [one for one in (run / "claims.jsonl").read_text().splitlines() if '"claim": 13' in one]
    (run / "run.json").write_text(json.dumps(head | {"not_run": {}}))
    (run / "claims.jsonl").write_text("\n".join(records) + "\n")
    (base / "files").mkdir()
    shutil.copy(pages.CLAIMS / "13-celery.toml", base / "files")
    shutil.copy(pages.CLAIMS / "06-nginx-shields.toml", base / "files")
    pages.write(run, out=base / "out", claims=base / "files")
    return base / "out", base / "files"


def test_a_run_gives_verdict_and_picture_to_its_claims_and_the_others_say_that_they_were_not_run(docs: Any) -> None:
    out, _ = docs
    index = (out / "README.md").read_text("utf-8")
    assert "| 13 | [Hand slow work to Celery](13-celery.md) | ! invalid |" in index
    assert "| 6 | [nginx shields the application from slow clients](06-nginx-shields.md) | – not run yet |" in index
    page = (out / "13-celery.md").read_text("utf-8")
    assert "**! invalid.**" in page
    assert "![Effects against the rule](images/claim-13-forest.png)" in page
    assert (out / "images" / "claim-13-forest.png").read_bytes().startswith(b"\x89PNG")
    assert "**实验无效。**" in page
    assert "> 使用分布式异步编程" in page
    assert page.count("The quotation is where the claim comes from; the verdict is on “What exactly is tested”.") == 1


def test_a_further_run_replaces_what_it_has_tried_and_keeps_the_rest(tmp_path: Path) -> None:
    """Two runs, the second of one claim: each page names its own, and the index both."""
    first = stored.everything(tmp_path / "20260101-000000-aaaa")
    second = tmp_path / "20260202-000000-bbbb"
    shutil.copytree(first, second)
    head = json.loads((second / "run.json").read_text())
    head |= {"run_id": second.name, "claims": {"13": head["claims"]["13"]}, "not_run": {"2": "no reason; none"}}
    (second / "run.json").write_text(json.dumps(head))
    records = [one for one in (second / "claims.jsonl").read_text().splitlines() if '"claim": 13' in one]
    (second / "claims.jsonl").write_text("\n".join(records) + "\n")
    for run in (first, second):
        pages.write(run, out=tmp_path / "out")
    told = {one["id"]: one["run"]["run_id"] for one in pages.stored(tmp_path / "out")["claims"]}
    assert told.pop(13) == second.name
    assert set(told.values()) == {stored.RUN_ID}
    index = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert f"Claim 13: Run {second.name}" in index
    images = {path.name for path in (tmp_path / "out" / "images").iterdir()}
    assert images == {Path(name).name for one in pages.stored(tmp_path / "out")["claims"] for name in one["pictures"]}


@pytest.mark.parametrize(("flags", "servers"), [
    ([], "1 of them for the servers"), (["shared-cpu"], "2 of them for the servers, shared with the load generator"),
])  # fmt: skip
def test_a_page_says_which_cpus_the_servers_of_its_claim_had(tmp_path: Path, flags: list[str], servers: str) -> None:
    """A claim about several CPUs gets the generator's as well, where the others of its run have one."""
    run = stored.one(tmp_path / stored.RUN_ID)
    records = [json.loads(line) | {"flags": flags} for line in (run / "claims.jsonl").read_text().splitlines()]
    (run / "claims.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
    pages.write(run, out=tmp_path / "out")
    for name in ("03-one-loop-holds-many.md", "README.md"):
        assert f", {servers}. A verdict holds" in (tmp_path / "out" / name).read_text("utf-8")


CHANGED = "The claim's file has been changed since that run"
OLDER = "The run is older than the record of its parameters"


def test_a_page_shows_the_experiment_that_gave_its_figures_and_says_where_the_file_is_another_now(docs: Any) -> None:
    page = (docs[0] / "13-celery.md").read_text("utf-8")
    (entry,) = pages.stored(docs[0])["claims"]
    assert CHANGED in page
    for arm in entry["rule"]["arm"]:
        assert f"| `{arm['stack']}` |" in page
    assert "flask/gunicorn-sync+workers=1/direct" not in page, "an arm that the file has now and the run had not"


def told(rule: Any, entry: Any) -> str:
    """The page of the claim whose file holds `rule` with these stored figures."""
    return pages._page(claim_of(13, rule), rule, entry)


@pytest.mark.parametrize(("key", "value", "is_said"), [
    ("parameters", {"rounds": 7}, True), ("database_connections", 5, True), ("experiment", "slots", True),
    ("title", {"en": "Other words", "zh": "别的话"}, False),
])  # fmt: skip
def test_what_changes_the_figures_is_said_and_other_words_are_not(key: str, value: Any, is_said: bool) -> None:
    rule = TABLES["13-celery"]
    entry = {**RAN, "rule": {name: rule[name] for name in pages.RULE if name in rule}}
    assert CHANGED not in told(rule, entry)
    page = told({**rule, key: value}, entry)
    assert (CHANGED in page) == is_said
    assert "`rounds = 400000`" in page, "as it was for these figures"


def test_a_run_of_some_arms_is_no_other_experiment() -> None:
    """The quick form leaves out arms and what is said of them."""
    rule = TABLES["15-crash"]
    short = {**rule, "arm": [one for one in rule["arm"] if one.get("quick", True)]}
    names = {one["name"] for one in short["arm"]}
    short |= {key: [one for one in rule[key] if one["arm"] in names] for key in ("check", "control")}
    entry = {**RAN, "rule": {name: short[name] for name in pages.RULE if name in short}}
    assert CHANGED in told(rule, entry)
    assert CHANGED not in told(rule, {**entry, "run": {**RAN["run"], "quick": True}})


def test_a_run_that_left_no_rule_is_said_to_be_older() -> None:
    rule = TABLES["13-celery"]
    assert OLDER in told(rule, RAN)
    assert "The rule has been changed" not in told(rule, RAN)
    check = {"name": rule["check"][0]["name"], "supports": "<= 0.1", "answer": "supports"}
    assert "The rule has been changed since that run" in told(rule, {**RAN, "checks": [check]})
    assert OLDER not in told(rule, {}), "none has been made"


def test_pages_come_out_the_same_without_the_run_and_old_ones_go(docs: Any) -> None:
    out, claims = docs
    before = {path.name: path.read_bytes() for path in out.glob("*.md")}
    (out / "99-gone.md").touch()
    pages.write(None, out=out, claims=claims)
    assert {path.name: path.read_bytes() for path in out.glob("*.md")} == before


def test_nothing_in_a_claim_is_markup(tmp_path: Path) -> None:
    table = (pages.CLAIMS / "13-celery.toml").read_text("utf-8")
    (tmp_path / "13-celery.toml").write_text(table.replace('title.en = "Hand', 'title.en = "<b>*|Hand'))
    made = pages.pages(tmp_path, {})
    assert "[\\<b\\>\\*\\|Hand slow work" in made["README.md"]


def test_a_claim_file_or_stored_verdicts_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "01-a.toml").write_text("number = ")
    with pytest.raises(BenchError, match=r"01-a\.toml"):
        pages.pages(tmp_path, {})
    (tmp_path / "verdicts.json").write_text("{")
    with pytest.raises(BenchError, match="is damaged"):
        pages.stored(tmp_path)


def test_the_command_writes_the_pages_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims-docs", "--out", str(tmp_path / "here")]) == 0
    assert capsys.readouterr().out.strip() == f"20 pages in {tmp_path / 'here'}"
    assert (tmp_path / "here" / "19-fewer-parts.md").exists()
