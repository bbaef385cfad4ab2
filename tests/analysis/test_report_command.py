"""`python -m analysis report`: the page's path last, and one clear line where there is nothing to report on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main


def test_prints_the_path_of_the_page_last(
    make_run: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    run.trials = [trial for trial in run.trials if trial["view"] == "latency"]
    assert main(["report", str(run.write()), "--out", str(tmp_path / "elsewhere")]) == 0
    out, err = capsys.readouterr()
    page = Path(out.splitlines()[-1])
    assert page == tmp_path / "elsewhere" / "index.html"
    assert "flask/gunicorn-sync" in page.read_text("utf-8").replace("<wbr>", "")
    assert err == ""


def _fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["report", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_a_missing_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "run.json" in _fails(capsys, str(tmp_path / "nowhere"))


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 99}', '{"schema": "one"}', "\xff"])
def test_an_unreadable_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (tmp_path / "run.json").write_bytes(content.encode("latin-1"))
    assert "run.json" in _fails(capsys, str(tmp_path))


def test_a_report_that_cannot_be_written_is_one_line(
    make_run: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(scenarios=["db"], stacks=["flask/gunicorn-sync/nginx"])
    (tmp_path / "file").write_text("in the way")
    said = _fails(capsys, str(run.write()), "--out", str(tmp_path / "file"))
    assert "cannot write the report" in said
    assert "--out" in said
