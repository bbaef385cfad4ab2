"""The page of the claims: a line for each, the quote beside the measurement, pictures, trials; and outside text stays text."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from analysis import claims
from analysis.__main__ import main
from analysis.claims import report
from analysis.claims.page import ICONS
from analysis.claims.records import load
from analysis.claims.rule import region
from bench.model import BenchError
from tests.analysis import stored_claims as stored

SCHEMA = json.loads((Path(claims.__file__).parents[1] / "schemas" / "verdicts.schema.json").read_text())
VERDICTS = {
    2: "supported", 6: "supported", 9: "supported", 10: "inconclusive", 11: "refuted", 12: "inconclusive", 13: "invalid", 14: "depends",
    15: "supported", 16: "inconclusive", 17: "not-run",
}  # fmt: skip


class Seen(HTMLParser):
    """What of a page a test looks at: ids, links, tags, text outside of script and style in English, and rows of tables."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.rows: dict[str, list[str]] = {}
        self._open: list[tuple[str, bool]] = []
        self._table = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        self.ids += [known["id"]] if known.get("id") else []  # type: ignore[list-item]
        self.links += [known["href"]] if known.get("href") else []  # type: ignore[list-item]
        if tag == "table":
            self._table = known.get("data-name") or ""
        if tag == "tr":
            self.rows.setdefault(self._table, []).append("")
        if tag not in {"meta", "wbr"}:
            self._open.append((tag, known.get("lang") == "zh-Hans" and tag in ("span", "text")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if any(other or tag in ("style", "script", "title") for tag, other in self._open):
            return
        self.text += data
        if any(tag == "tr" for tag, _ in self._open):
            self.rows[self._table][-1] += data


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = stored.everything(tmp_path_factory.mktemp("results") / stored.RUN_ID)
    report.build(folder)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A run of one claim."""
    return stored.one(tmp_path / "small", not_run={"17": "no Node on this machine; install nodejs 18"})


@pytest.fixture(scope="module")
def html(built: Path) -> str:
    return (built / "report" / "index.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Seen:
    return Seen(html)


def test_the_document_keeps_its_schema_and_holds_every_verdict(built: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    document = json.loads((built / "report" / "verdicts.json").read_text("utf-8"))
    jsonschema.validate(document, SCHEMA)
    told = {one["id"]: one["verdict"] if one["status"] == "judged" else one["status"] for one in document["claims"]}
    assert told == VERDICTS
    fourteen = next(one for one in document["claims"] if one["id"] == 14)
    assert fourteen["low"] < fourteen["effect"] < fourteen["high"]
    assert (fourteen["n"], fourteen["controls_ok"], fourteen["unit"]) == (6, True, "share")
    assert fourteen["pictures"] == [
        f"charts/claim-14-{kind}.{end}" for kind in ("burn", "forest") for end in ("png", "svg")
    ]
    assert next(one for one in document["claims"] if one["id"] == 9)["reads"] == "20261126-000000-aaaa"
    assert set(fourteen["sentence"]) == {"en", "zh"}


def test_every_claim_has_a_line_with_its_verdict_and_its_effect(page: Seen) -> None:
    lines = page.rows["verdicts"][1:]
    assert len(lines) == len(VERDICTS)
    words = {"depends": "depends", "not-run": "not run"}
    for line, (number, verdict) in zip(lines, VERDICTS.items(), strict=True):
        assert line.lstrip().startswith(str(number))
        assert f"{ICONS[verdict]} {words.get(verdict, verdict)}" in line
    assert "98.1% [" in lines[7]
    assert "n = 6" in lines[7]


def test_every_link_within_the_page_leads_somewhere_and_no_id_is_there_twice(page: Seen, built: Path) -> None:
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert (
        {f"claim-{number}" for number in VERDICTS} | {f"trials-{number}" for number in VERDICTS}
        <= inside
        <= set(page.ids)
    )
    files = [link for link in page.links if not link.startswith("#")]
    assert any(link.endswith(".parquet") for link in files)
    assert any(link.endswith("claims.jsonl") for link in files)
    for link in files:
        assert (built / "report" / link).exists(), link


def test_the_article_stands_beside_what_was_measured(html: str, page: Seen) -> None:
    article = html[html.index('id="claim-14"') : html.index('id="claim-15"')]
    assert "<blockquote>" in article
    assert "一旦应用程序有大量的 CPU 计算,就会让这个线程堵住" in article
    assert "this thread is blocked" in article
    assert "The article does not say it; it travels with it." in page.text
    assert "the verdict is on “What exactly is tested”." in page.text


def test_hostile_text_stays_text(html: str, page: Seen, built: Path) -> None:
    assert 'A <crash> & "all"' in page.text
    assert "<script>alert(1)</script>" in page.text
    assert page.tags.count("script") == 1
    assert "crash" not in page.tags
    assert "\x1b" not in html
    for path in (built / "report" / "charts").glob("*.svg"):
        assert "<script" not in path.read_text("utf-8")


def test_the_page_asks_nothing_of_the_network_and_is_whole_without_a_script(html: str, page: Seen) -> None:
    assert "default-src 'none'" in html
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]+'", html)
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
    without = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert Seen(without).text.split() == page.text.split()


def test_every_kind_of_picture_is_there_once_as_png_svg_and_on_the_page(html: str, built: Path) -> None:
    names = {path.name for path in (built / "report" / "charts").iterdir()}
    for stem in ("claim-02-plateau", "claim-06-crowd", "claim-14-burn", "claim-15-dip", "claim-10-forest"):
        assert {f"{stem}.png", f"{stem}.svg"} <= names
    assert not any(name.startswith("claim-17") for name in names)
    assert html.count("<figure") == len(names) // 2


def test_chinese_stands_beside_english(html: str, small: Path) -> None:
    assert "<span lang=zh-Hans>视条件而定</span>" in html
    assert '<text lang="zh-Hans"' in html
    report.build(small, language="zh-Hans", out=small / "zh")
    assert (small / "zh" / "index.html").read_text("utf-8").startswith('<!doctype html>\n<html lang="zh-Hans">')


def test_pictures_of_an_earlier_report_are_taken_away(small: Path) -> None:
    old = small / "report" / "charts" / "claim-99-forest.png"
    old.parent.mkdir(parents=True)
    old.touch()
    report.build(small)
    assert not old.exists()


def test_the_report_of_a_run_over_claims_is_this_page(small: Path) -> None:
    assert main(["report", str(small)]) == 0
    assert 'id="claim-3"' in (small / "report" / "index.html").read_text("utf-8")


def test_a_run_without_any_claim_says_so(tmp_path: Path) -> None:
    page = report.build(stored.write(tmp_path / "run", stored.header({}), []))
    assert "There is no claim in this run." in page.read_text("utf-8")
    assert report.summary(tmp_path / "run").endswith("no claim was run")


def test_the_command_writes_the_report_and_says_every_verdict(
    small: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["claims", str(small)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"run {stored.RUN_ID}: 1 supported, 1 not run")
    assert " 3 ✓ SUPPORTED: Claim 3" in said
    assert "Not run: no Node on this machine; install nodejs 18." in said
    assert said.splitlines()[-1] == str(small / "report" / "index.html")
    assert "4 supported, 1 refuted, 1 depends, 3 inconclusive, 1 invalid, 1 not run" in report.summary(built)


def test_a_folder_that_cannot_be_written_is_one_line(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="cannot write the report"):
        report.build(small, out=tmp_path / "file" / "report")


def test_a_matrix_is_refused_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored.write(tmp_path, stored.header({}) | {"kind": "matrix"}, [])
    assert main(["claims", str(tmp_path)]) == 2
    assert "is no run over claims" in capsys.readouterr().err


def test_an_unreadable_record_of_requests_costs_its_own_course_alone(built: Path, tmp_path: Path) -> None:
    head = json.loads((built / "run.json").read_text())
    head["claims"] = {"14": head["claims"]["14"]}
    records = [stored.record(14, "one-loop", n, {"delayed_share": 1.0}, requests="bad.parquet",
                             events=[{"name": "burn-begin", "at_s": 1.0}]) for n in range(2)]  # fmt: skip
    folder = stored.write(tmp_path / "run", head, records)
    (folder / "bad.parquet").write_text("no parquet")
    report.build(folder)
    assert {path.name for path in (folder / "report" / "charts").iterdir()} == {
        "claim-14-forest.png",
        "claim-14-forest.svg",
    }


def test_bounds_of_a_region_are_told_in_the_unit_of_the_question(built: Path) -> None:
    from analysis.claims import sentences
    from analysis.claims.verdict import judge

    rules: dict[int, Any] = {one.number: one for one in judge(load(built))}
    assert sentences.region(rules[14].checks[0].check, region("< 0.5")) == "< 50%"
    assert sentences.region(rules[9].checks[0].check, region(">= 0.95, <= 1.05")) == "≥ 0.95x, ≤ 1.05x"
    assert sentences.region(rules[9].checks[0].check, region("outside 0.8..1.25")) == "< 0.8x / > 1.25x"
    assert str(sentences.metric("probe_failed_share_at_64")) == "share of quick probes that failed at 64"
    assert str(sentences.metric("json_rps")) == "throughput (json)"
    assert sentences.metric("unheard_of").plain() == "unheard_of"
