"""A run's folder is readable whenever the command was cut off, and says what is wrong with it."""

import json
import os
import re
import resource
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import store
from bench.model import BenchError
from bench.store import SCHEMA, RunStore, find_run, read_run


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def trial(**changes: Any) -> dict[str, Any]:
    return {
        "stack": "a/b/c", "scenario": "db", "block": 0, "copy": 0, "view": "capacity", "status": "measured", "rps": 1.5,
        "reason": None, **changes,
    }  # fmt: skip


def create(results: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> RunStore:
    monkeypatch.setattr(store.time, "strftime", lambda _: moment)
    return RunStore.create(results, {"profile": "quick"})


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(BenchError) as caught:
        call(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_what_is_written_reads_back(results: Path) -> None:
    run = RunStore.create(results, {"profile": "quick", "notes": ["geteilt, 共享"]})
    first = read_run(run.folder)
    assert first.header == {
        "schema": SCHEMA, "run_id": run.run_id, "status": "running", "profile": "quick", "notes": ["geteilt, 共享"],
    }  # fmt: skip
    assert first.trials == ()
    trials = [trial(), trial(copy=1, status="failed", rps=None, reason="it says “no”")]
    for one in trials:
        run.append([one])
    run.update({"status": "finished", "observed": {"a/b/c": {"workers": 3}}})
    found = read_run(run.folder)
    assert found.header == {**first.header, "status": "finished", "observed": {"a/b/c": {"workers": 3}}}
    assert list(found.trials) == [{"schema": SCHEMA, "run_id": run.run_id, **one} for one in trials]
    assert found.damaged == ()
    assert found.folder == run.folder


def test_the_folder_is_all_there_from_the_start(results: Path) -> None:
    run = RunStore.create(results, {})
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", run.run_id)
    assert {path.name for path in run.folder.iterdir()} == {
        ".lock", "run.json", "trials.jsonl", "requests", "slices", "logs", "configs",
    }  # fmt: skip
    assert {path.name for path in results.iterdir()} == {run.run_id, "latest"}


def test_runs_that_begin_in_one_second_and_draw_the_same_id_do_not_share_a_folder(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(time, "strftime", lambda form: "20260101-000000")
    monkeypatch.setattr(secrets, "token_hex", lambda count: next(drawn))
    assert [RunStore.create(results, {}).run_id for _ in range(2)] == ["20260101-000000-aaaa", "20260101-000000-bbbb"]
    monkeypatch.setattr(secrets, "token_hex", lambda count: "aaaa")
    assert refusal(RunStore.create, results, {}).endswith(
        ": cannot be written: File exists; choose another folder with --results"
    )


def test_latest_points_to_the_newest_run_from_its_start(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = create(results, monkeypatch, "20260101-000000")
    assert find_run(results) == first.folder.resolve()
    second = create(results, monkeypatch, "20260101-000001")
    assert find_run(results) == find_run(results, "latest") == second.folder.resolve()
    assert not (results / "latest").readlink().is_absolute()
    moved = results.rename(results.with_name("moved"))
    assert find_run(moved) == (moved / second.run_id).resolve()


def test_without_the_link_the_last_run_by_name_is_the_latest(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [create(results, monkeypatch, f"20260101-00000{second}") for second in (3, 9, 5)]
    (results / "latest").unlink()
    (results / "other").mkdir()
    (results / "other" / "run.json").write_text("{}")
    assert find_run(results) == runs[1].folder


def test_a_run_is_found_by_id_and_by_path(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunStore.create(results, {})
    assert find_run(results, run.run_id) == run.folder.resolve()
    assert find_run(tmp_path / "elsewhere", str(run.folder)) == run.folder.resolve()
    monkeypatch.chdir(results)
    assert find_run(tmp_path / "elsewhere", run.run_id) == run.folder.resolve()


def test_an_unknown_run_names_the_last_ones(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(find_run, results) == f"{results} holds no run yet; `make bench` makes one"
    assert refusal(find_run, results, "nope") == f"no run 'nope' in {results}; `make bench` makes one"
    runs = [create(results, monkeypatch, f"20260101-00000{second}").run_id for second in range(4)]
    assert refusal(find_run, results, "nope") == f"no run 'nope' in {results}; the last ones are {', '.join(runs[1:])}"


# A bad day


def test_a_last_line_that_was_cut_off_is_told_and_the_rest_is_kept(results: Path) -> None:
    run = RunStore.create(results, {})
    for copy in range(3):
        run.append([trial(copy=copy)])
    path = run.folder / "trials.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    found = read_run(run.folder)
    assert [one["copy"] for one in found.trials] == [0, 1]
    assert found.damaged == ("trials.jsonl, line 3: is no JSON object",)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"\xff\xfe", "is no JSON object"),
        (b"17", "is no JSON object"),
        (b'["stack", "scenario", "block", "copy", "view", "status"]', "is no JSON object"),
        (b"{}", "key 'stack' is missing"),
        (json.dumps({"schema": SCHEMA, "stack": "a/b/c"}).encode(), "key 'scenario' is missing"),
        (json.dumps(trial(schema=SCHEMA + 1)).encode(), f"key 'schema': {SCHEMA + 1} is not {SCHEMA}"),
        (json.dumps(trial()).encode(), f"key 'schema': None is not {SCHEMA}"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_trial_is_told_and_nothing_is_guessed(results: Path, line: bytes, expected: str) -> None:
    run = RunStore.create(results, {})
    path = run.folder / "trials.jsonl"
    path.write_bytes(line + b"\n")
    run.append([trial()])
    found = read_run(run.folder)
    assert len(found.trials) == 1
    assert found.damaged == (f"trials.jsonl, line 1: {expected}",)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"stack": ["a/b/c"]}, "key 'stack': is no text"),
        ({"scenario": {}}, "key 'scenario': is no text"),
        ({"block": "0"}, "key 'block': is no whole number"),
        ({"copy": True}, "key 'copy': is no whole number"),
        ({"status": None}, "key 'status': is no text"),
        ({"cell_trials": "x"}, "key 'cell_trials': is no whole number"),
        ({"part": [0]}, "key 'part': is no whole number"),
        ({"rps": "fast"}, "key 'rps': is no number"),
        ({"offset_s": {}}, "key 'offset_s': is no number"),
        ({"hashes": []}, "key 'hashes': is no object"),
    ],
)
def test_a_record_of_other_types_is_told_and_the_rest_is_read_and_gone_on_with(
    results: Path, change: dict[str, Any], expected: str
) -> None:
    run = RunStore.create(results, {"hashes": {"stacks": {"a/b/c": {"app": "1"}}, "scenarios": []}})
    whole = {"cell": "0-db-capacity", "trial_id": "x", "cell_trials": 1, "part": 0, "hashes": {"app": "1"}}
    run.append([trial(**{**whole, "cell": "0-json-capacity", **change}), trial(**whole)])
    run.close()
    assert read_run(run.folder).damaged == (f"trials.jsonl, line 1: {expected}",)
    _, earlier = RunStore.reopen(run.folder, "bench run --resume")
    assert earlier.cells == {"0-db-capacity"}


@pytest.mark.parametrize("header", [{"parts": 3}, {"elapsed_s": [1]}, {"pilot": {"db": {"a/b/c": 8}}}, {"pilot": [1]}])
def test_a_header_of_other_types_is_not_gone_on_with(results: Path, header: dict[str, Any]) -> None:
    run = RunStore.create(results, header)
    run.close()
    before = (run.folder / "run.json").read_text()
    for _ in range(2):  # whoever is refused holds nothing
        text = refusal(RunStore.reopen, run.folder, "bench run --resume")
        assert text.startswith(f"{run.folder / 'run.json'}: is damaged: 'parts', 'elapsed_s' or 'pilot' is not what ")
    assert (run.folder / "run.json").read_text() == before


def test_a_claims_record_of_other_types_is_told(results: Path) -> None:
    run = RunStore.create(results, {"kind": "claims"}, latest=store.LATEST_CLAIMS)
    good = {"claim": 1, "arm": "a", "replicate": 0, "status": "measured", "metrics": {}}
    run.append_claims([{**good, "metrics": [1]}, good, {**good, "claim": "1"}])
    found = store.read_claims(run.folder)
    assert len(found.records) == 1
    assert found.damaged == (
        "claims.jsonl, line 1: key 'metrics': is no object", "claims.jsonl, line 3: key 'claim': is no whole number",
    )  # fmt: skip


def test_a_run_without_trials_says_so(results: Path) -> None:
    run = RunStore.create(results, {})
    (run.folder / "trials.jsonl").unlink()
    assert read_run(run.folder).damaged == ("trials.jsonl is missing",)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "is damaged: "), ("[]", "is damaged: key 'schema' is missing"), ("{}", "is damaged: key 'schema' is missing"),
        ('{"schema": "1"}', "is damaged: key 'schema' is missing"), ("\udcff", "is damaged: "),
        (f'{{"schema": {SCHEMA + 1}}}', f"key 'schema': {SCHEMA + 1} was written by a newer version; this one reads up to {SCHEMA}"),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_understood(results: Path, content: str, expected: str) -> None:
    run = RunStore.create(results, {})
    path = run.folder / "run.json"
    path.write_text(content, errors="surrogateescape")
    assert refusal(read_run, run.folder).startswith(f"{path}: {expected}")


def test_what_is_no_run(results: Path) -> None:
    assert refusal(read_run, results) == f"{results} is not a run: it holds no run.json"
    (results / "run.json").mkdir(parents=True)
    assert refusal(read_run, results) == f"{results / 'run.json'}: cannot be read: Is a directory"


def test_a_header_is_replaced_whole(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunStore.create(results, {"profile": "quick"})
    before = (run.folder / "run.json").read_text()
    monkeypatch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(OSError(28, os.strerror(28))))
    text = refusal(run.update, {"status": "finished"})
    assert text == f"{run.folder / 'run.json'}: cannot be written: No space left on device; finished trials are kept"
    assert (run.folder / "run.json").read_text() == before


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    text = refusal(RunStore.create, tmp_path / "file", {})
    assert text.endswith(": cannot be written: Not a directory; choose another folder with --results")


def test_trials_that_cannot_be_written(results: Path) -> None:
    run = RunStore.create(results, {})
    run.append([trial()])
    path = run.folder / "trials.jsonl"
    path.unlink()
    path.mkdir()
    assert refusal(run.append, [trial()]) == f"{path}: cannot be written: Is a directory; finished trials are kept"


@pytest.fixture
def nearly_full() -> Iterator[Callable[[int], None]]:
    """No file may grow beyond so many bytes: what fits is written, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_the_last_cell_and_no_other(results: Path, nearly_full: Callable[[int], None]) -> None:
    run = RunStore.create(results, {"notes": ["x" * 200]})
    run.append([trial()])
    size = (run.folder / "trials.jsonl").stat().st_size
    nearly_full(size + 100)
    said = refusal(run.append, [trial(copy=1), trial(copy=2)])
    assert re.fullmatch(r".*trials\.jsonl: cannot be written: .+; finished trials are kept", said)
    assert refusal(run.update, {"status": "failed"}).endswith("; finished trials are kept")
    found = read_run(run.folder)
    assert (len(found.trials), found.damaged, found.header["status"]) == (1, (), "running")
    nearly_full(size + 10_000)
    run.append([trial(copy=1)])
    assert [one["copy"] for one in read_run(run.folder).trials] == [0, 1]


def test_a_record_of_another_run_or_of_other_files_is_told_and_left_out(results: Path) -> None:
    hashes = {
        "contract": "c",
        "suite": "s",
        "scenarios": {"db": "d"},
        "stacks": {"a/b/c": {"app": "1", "server": None}},
    }
    run = RunStore.create(results, {"hashes": hashes})
    own = {"contract": "c", "suite": "s", "scenario": "d", "app": "1", "server": None}
    run.append([trial(hashes=own), trial(copy=1, hashes=own | {"app": "2"}), trial(copy=2)])
    path = run.folder / "trials.jsonl"
    path.write_text(
        path.read_text() + json.dumps({"schema": SCHEMA, **trial(copy=3), "run_id": "20200101-000000-aaaa"}) + "\n"
    )
    found = read_run(run.folder)
    assert [one["copy"] for one in found.trials] == [0, 2]
    assert found.damaged == (
        "trials.jsonl, line 2: key 'hashes.app': was made with other files than this run",
        "trials.jsonl, line 4: key 'run_id': is of another run, 20200101-000000-aaaa",
    )
