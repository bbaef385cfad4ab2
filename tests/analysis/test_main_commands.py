"""`python -m analysis COMMAND`: what each word of the command comes to, and its exit code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_slices
from test_between import CHANGED, SAME, STACKS, run

from analysis import index, report
from analysis.__main__ import main
from analysis.claims import pages
from analysis.claims import report as claims
from analysis.stats import power
from bench.model import BenchError
from tests.analysis import stored_claims as stored

study = test_slices.study
Said = pytest.CaptureFixture[str]


# report --index


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """In the place of the report, which takes seconds: what it was asked for; its page is `page`."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(report, "build", lambda folder, **how: asked.append({"run": folder, **how}) or Path("page"))
    return asked


@pytest.fixture
def one(make_run: Callable[..., Any], tmp_path: Path) -> Path:
    """A run in a folder of runs."""
    made = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    made.folder = tmp_path / "results" / "20261123-120000-abcd"
    return made.write()


@pytest.mark.parametrize(
    ("words", "out", "language"),
    [
        ((), None, "en"),
        (("--lang", "zh"), None, "zh-Hans"),
        (("--lang", "zh-Hans"), None, "zh-Hans"),
        (("--out", "elsewhere", "--lang", "en"), Path("elsewhere"), "en"),
    ],
)
def test_a_report_is_built_where_and_in_what_language_is_asked_and_no_index_without_a_word(
    built: list[dict[str, Any]], one: Path, capsys: Said, words: tuple[str, ...], out: Path | None, language: str
) -> None:
    assert main(["report", str(one), *words]) == 0
    assert built == [{"run": one, "out": out, "language": language}]
    assert capsys.readouterr() == ("page\n", "")
    assert not (one.parent / "index.html").exists()


@pytest.mark.parametrize("command", ["report", "claims"])
def test_a_language_that_is_not_spoken_is_one_line(
    built: list[dict[str, Any]], one: Path, capsys: Said, command: str
) -> None:
    assert main([command, str(one), "--lang", "fr"]) == 2
    said = "--lang fr: the report does not speak it; choose one of en, zh\n"
    assert (built, capsys.readouterr()) == ([], ("", said))


@pytest.mark.usefixtures("built")
def test_the_index_of_the_folder_that_holds_the_run_is_built_too(
    one: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["report", str(one), "--index"]) == 0
    assert capsys.readouterr() == ("page\n", "")
    assert one.name in (one.parent / "index.html").read_text("utf-8")
    (one.parent / "index.html").unlink()
    monkeypatch.chdir(one)
    assert main(["report", ".", "--index"]) == 0
    assert (one.parent / "index.html").exists(), "by whatever path the run is named"


@pytest.mark.usefixtures("built")
def test_the_index_is_of_where_a_link_to_the_run_leads(one: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(one)
    assert main(["report", str(tmp_path / "latest"), "--index"]) == 0
    assert (one.parent / "index.html").exists()
    assert not (tmp_path / "index.html").exists()


@pytest.mark.usefixtures("built")
def test_a_report_is_not_lost_where_its_index_cannot_be_written(one: Path, capsys: Said) -> None:
    (one.parent / "index.html").mkdir()
    assert main(["report", str(one), "--index"]) == 0
    out, err = capsys.readouterr()
    assert out == "page\n"
    assert err.startswith("note: ")
    assert "cannot write the index" in err
    assert err.count("\n") == 1


def test_where_there_is_no_report_there_is_no_index(one: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path, **how: Any) -> Path:
        raise BenchError("cannot write the report")

    monkeypatch.setattr(report, "build", fail)
    monkeypatch.setattr(index, "build", lambda folder: pytest.fail("an index without its report"))
    assert main(["report", str(one), "--index"]) == 2
    assert capsys.readouterr() == ("", "cannot write the report\n")


# between --fail-if


def test_a_rule_fails_on_runs_that_are_unlike_though_nothing_got_worse(tmp_path: Path, capsys: Said) -> None:
    """What cannot be compared is no reason to let a change pass."""
    first = run(tmp_path, "a", factors=SAME)
    like = run(tmp_path, "b", factors=SAME, seed=2)
    unlike = run(tmp_path, "c", factors=SAME, seed=2, environment={"host": "two"})
    rule = ["--fail-if", "slower than 50%"]
    assert main(["between", str(first), str(like), *rule]) == 0
    assert main(["between", str(first), str(unlike)]) == 0, "without a rule it is said, and no failure"
    assert "these runs are unlike" in capsys.readouterr().out
    assert main(["between", str(first), str(unlike), *rule]) == 1
    assert "FAILED:" not in capsys.readouterr().out
    assert main(["between", str(first), str(unlike), *rule, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["failures"], told["unlike"]) == ([], ["host: one and two"])


FEWER = dict.fromkeys(STACKS[1:], 1.0)
BOUND = {"flags": {STACKS[0]: ["generator-bound"]}}


@pytest.mark.parametrize(
    ("rule", "second", "said"),
    [
        ("slower than 50%", {"factors": FEWER}, "ant/plain/direct db capacity: throughput: not in the second run"),
        ("slower than 50%", {"trial": BOUND}, "ant/plain/direct db capacity: throughput: generator-bound in the second run"),
        ("slower than 50%", {"blocks": 5}, "ant/plain/direct db capacity: throughput: fewer than 6 blocks; and 3 more"),
        ("larger than 50%", {}, "memory: not in the first run"),
        ("slower than 50%", {}, None),
        ("slower than 50%", {"factors": SAME | {"eel/plain/direct": 1.0}}, None),
    ],
)  # fmt: skip
def test_a_rule_cannot_pass_on_what_it_could_not_judge(
    tmp_path: Path, capsys: Said, rule: str, second: dict[str, Any], said: str | None
) -> None:
    both = [
        str(run(tmp_path, "a", factors=SAME)),
        str(run(tmp_path, "b", seed=2, **({"factors": SAME} | second))),
    ]
    assert main(["between", *both]) == 0, "without a rule nothing is to be judged"
    capsys.readouterr()
    assert main(["between", *both, "--fail-if", rule]) == (1 if said else 0)
    lines = capsys.readouterr().out.splitlines()
    judged = [line for line in lines if line.startswith("NOT JUDGED")]
    assert judged == ([f"NOT JUDGED, so the rule cannot pass: {said}"] if said else [])
    assert "FAILED:" not in lines
    assert main(["between", *both, "--fail-if", rule, "--json"]) == (1 if said else 0)
    told = json.loads(capsys.readouterr().out)
    assert (told["failures"], told["unjudged"][:1]) == ([], [said.partition("; ")[0]] if said else [])


def test_a_rule_fails_as_well_for_a_program_that_reads_json(tmp_path: Path, capsys: Said) -> None:
    first = run(tmp_path, "a", factors=SAME)
    slower = run(tmp_path, "b", factors=SAME | {STACKS[0]: 0.8}, seed=2, hashes=CHANGED)
    assert main(["between", str(first), str(slower), "--fail-if", "slower than 5%", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["failures"]) == 1
    assert main(["between", str(first), str(slower), "--fail-if", "slower"]) == 2
    assert capsys.readouterr().err.startswith("--fail-if 'slower': expected such as")


# slices, power


def test_the_tables_of_a_study_of_slices(study: Path, tmp_path: Path, capsys: Said) -> None:
    assert main(["slices", str(study)]) == 0
    out, err = capsys.readouterr()
    assert (out.splitlines()[0], err) == ("ratios to a/b/c; bias against the longest slices, counted within", "")
    assert (study / "summary.csv").exists()
    assert main(["slices", str(tmp_path / "nowhere")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "`bench slices` writes it" in err


@pytest.mark.parametrize(("words", "runs"), [((), 2000), (("--runs", "40"), 40)])
def test_power_is_simulated_with_as_many_runs_as_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: Said, words: tuple[str, ...], runs: int
) -> None:
    monkeypatch.setattr(power, "text", lambda *, runs: f"from {runs} runs")
    assert main(["power", *words]) == 0
    assert capsys.readouterr() == (f"from {runs} runs\n", "")


@pytest.mark.parametrize("number", ["many", "0", "-3"])
def test_a_number_of_runs_that_is_none_is_refused(capsys: Said, number: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["power", f"--runs={number}"])
    assert ended.value.code == 2
    assert f"--runs: expected a number of 1 or more, not {number}" in capsys.readouterr().err


@pytest.mark.parametrize("truth", ["ant", "ant=fast", "ant=0", "=0.9"])
def test_a_truth_that_says_nothing_is_refused(one: Path, capsys: Said, truth: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["trust", str(one), truth])
    assert ended.value.code == 2
    assert f"expected STACK=FACTOR, such as a/b/c=0.95, not {truth}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is damaged"), ("{}", "names no loads or no stacks"), ("[]", "names no loads or no stacks"),
        ('{"jobs": [{"name": "0-25", "round": 0, "length_ms": 25}], "stacks": {"a": "b"}}', "0-25.parquet: cannot be read"),
    ],
)  # fmt: skip
def test_a_study_of_slices_that_is_damaged_is_one_line(tmp_path: Path, capsys: Said, text: str, said: str) -> None:
    (tmp_path / "slices.json").write_text(text)
    assert main(["slices", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), said in err) == ("", 1, True)


# claims, claims-docs


@pytest.fixture
def tested(tmp_path: Path) -> Path:
    """A run over one claim."""
    return stored.one(tmp_path / "tested")


@pytest.mark.parametrize(("words", "language"), [((), "en"), (("--lang", "zh"), "zh-Hans"), (("--lang", "en"), "en")])
def test_claims_are_judged_in_the_language_and_folder_that_are_asked_for(
    tested: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], language: str
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(
        claims, "build", lambda folder, **how: asked.append({"run": folder, **how}) or how["out"] / "index.html"
    )
    assert main(["claims", str(tested), "--out", str(tmp_path / "out"), *words]) == 0
    assert asked == [{"run": tested, "out": tmp_path / "out", "language": language}]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"run {stored.RUN_ID}: 1 supported")
    assert lines[-1] == str(tmp_path / "out" / "index.html")


def test_the_page_of_claims_opens_in_chinese(tested: Path, tmp_path: Path) -> None:
    assert main(["claims", str(tested), "--lang", "zh", "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert text.startswith('<!doctype html>\n<html lang="zh-Hans">')
    assert not (tested / "report" / "index.html").exists()


def test_the_pages_of_claims_take_the_verdicts_of_the_run_that_is_named(
    tested: Path, tmp_path: Path, capsys: Said
) -> None:
    out = tmp_path / "pages"
    assert main(["claims-docs", str(tested), "--out", str(out)]) == 0
    assert capsys.readouterr() == (f"20 pages in {out}\n", "")
    index_ = (out / "README.md").read_text("utf-8").splitlines()
    assert ["✓ supported" in line for line in index_ if line.startswith("| 3 |")] == [True]
    assert sum("not run yet" in line for line in index_) == 18
    kept = json.loads((out / pages.STORED).read_text("utf-8"))
    assert [one["id"] for one in kept["claims"]] == [3]
    assert main(["claims-docs", "--out", str(out)]) == 0
    assert (out / "README.md").read_text("utf-8").splitlines() == index_, "without a run: those that are there"


def test_pages_of_claims_go_to_the_documentation_unless_told(
    tested: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Path | None, Path]] = []
    monkeypatch.setattr(pages, "DOCS", tmp_path / "docs")
    monkeypatch.setattr(pages, "write", lambda found, *, out: asked.append((found, out)) or [out / "README.md"])
    assert main(["claims-docs", str(tested)]) == 0
    assert main(["claims-docs"]) == 0
    assert asked == [(tested, tmp_path / "docs"), (None, tmp_path / "docs")]
    assert capsys.readouterr().out == f"1 pages in {tmp_path / 'docs'}\n" * 2


def test_a_run_over_no_claims_gives_the_pages_nothing(one: Path, tmp_path: Path, capsys: Said) -> None:
    assert main(["claims-docs", str(one), "--out", str(tmp_path / "pages")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "is no run over claims" in err
