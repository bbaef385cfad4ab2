"""Where two runs differ: what was asked otherwise is never taken for a change of the stack, or for drift of the machine."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_between import SAME, STACKS, compared, of, run

from analysis import __main__ as command
from analysis.between import text

ANT = STACKS[0]
HASHES = {"contract": "c", "stacks": {stack: {"app": stack} for stack in STACKS}}
TWENTY = {"parameters": {"queries": 20}, "connections": 32}


def scenarios(**files: str) -> dict[str, Any]:
    return HASHES | {"scenarios": files}


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"parameters": {"queries": 10}}, "parameters: queries=20 and queries=10"),
        ({"connections": 64}, "connections: 32 and 64"),
        ({"parameters": {}, "connections": 64}, "parameters: queries=20 and none; connections: 32 and 64"),
    ],
)
def test_what_was_asked_otherwise_is_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: dict[str, Any], reason: str
) -> None:
    one = run(tmp_path, "a", factors=SAME, trial=TWENTY)
    other = run(tmp_path, "b", factors=dict.fromkeys(STACKS, 1.8), seed=2, trial=TWENTY | asked)
    found = compared(one, other)
    assert found.effects == ()
    assert {left.stack: left.reason for left in found.not_compared} == dict.fromkeys(STACKS, reason)
    said = text(found)
    assert f"not compared\n  {ANT} db capacity: throughput\n    {reason}\n" in said
    assert "nothing that both have can be compared" in said
    assert command.main(["between", str(one), str(other), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["not_compared"]
    assert told[0] == {"metric": "capacity_rps", "scenario": "db", "view": "capacity", "stack": ANT, "reason": reason}
    assert command.main(["between", str(one), str(other), "--html", str(tmp_path)]) == 0
    page = (tmp_path / "compare-a-b.html").read_text("utf-8")
    assert f"<li>{ANT} db capacity: throughput: {reason}</li>" in page
    assert "Nothing that both runs have can be compared." in page


def test_connections_that_are_not_known_are_unlike_nothing(tmp_path: Path) -> None:
    found = compared(
        run(tmp_path, "a", factors=SAME), run(tmp_path, "b", factors=SAME, seed=2, trial={"connections": 32})
    )
    assert found.not_compared == ()


def test_connections_that_a_pilot_chose_are_no_other_question(tmp_path: Path) -> None:
    pilot = {"pilot": {"db": {stack: {"connections": 8} for stack in STACKS[:3]}}}
    one = run(tmp_path, "a", factors=SAME, trial={"connections": 8}, **pilot)
    found = compared(one, run(tmp_path, "b", factors=SAME, seed=2, trial={"connections": 32}, **pilot))
    assert {effect.stack for effect in found.effects} == set(STACKS[:3])
    assert {left.stack: left.reason for left in found.not_compared} == {STACKS[3]: "connections: 8 and 32"}


def test_where_a_scenarios_file_changed_no_gain_is_taken_out_as_drift(tmp_path: Path) -> None:
    faster = dict.fromkeys(STACKS, 1.8)
    found = compared(
        run(tmp_path, "a", factors=SAME, hashes=scenarios(db="one", json="j")),
        run(tmp_path, "b", factors=faster, seed=2, hashes=scenarios(db="two", json="j")),
    )
    assert of(found, ANT).ratio == pytest.approx(1.8, rel=0.02)
    assert {(one.shift, one.changed) for one in found.effects} == {(None, True)}
    assert "scenario db differs" in found.differences
    assert "no stack is unchanged in both" in text(found)


def test_another_scenarios_file_does_not_keep_stacks_from_being_unchanged(tmp_path: Path) -> None:
    found = compared(
        run(tmp_path, "a", factors=SAME, hashes=scenarios(db="one", json="j")),
        run(tmp_path, "b", factors=dict.fromkeys(STACKS, 1.8), seed=2, hashes=scenarios(db="one", json="k")),
    )
    assert of(found, ANT).shift == pytest.approx(1.8, rel=0.02)


def test_a_peak_of_memory_is_unlike_where_any_of_its_scenarios_is(tmp_path: Path) -> None:
    memory = TWENTY | {"pss_bytes": {"app": 1e8}}
    found = compared(
        run(tmp_path, "a", factors=SAME, trial=memory),
        run(tmp_path, "b", factors=SAME, seed=2, trial=memory | {"connections": 64}),
    )
    peaks = {left.reason for left in found.not_compared if left.view == "peak"}
    assert peaks == {"db: connections: 32 and 64"}
    found = compared(
        run(tmp_path, "c", factors=SAME, trial=memory),
        run(tmp_path, "d", factors=SAME, seed=2, trial=memory | {"scenario": "json"}),
    )
    assert {left.reason for left in found.not_compared} == {"scenarios: db and json"}


def configured(folder: str, port: int, **changes: Any) -> dict[str, Any]:
    """Parts of a header as native runs leave them: each has its own folder, ports and, here, checkout."""
    known: dict[str, Any] = {"workers": 3, "options": {}, "slice_s": 0.1, "window_s": 0.6, "connections": 32}
    known |= {"keepalive": 64, **changes}
    argv = [f"/{folder}/.envs/ant/bin/gunicorn", f"--workers={known['workers']}", f"--bind=127.0.0.1:{port}"]
    env = {"HOME": f"/tmp/forkloop-{folder}/{port % 10}", "DB_POOL_MAX": "4"}
    planned = {"id": ANT, "workers": known["workers"], "pool_max": 4, "options": known["options"]}
    conf = f"listen 127.0.0.1:{port + 1};\nkeepalive {known['keepalive']};\npid /tmp/forkloop-{folder}/1/pid;\n"
    return {
        "plan": {"stacks": [planned], "scenarios": ["db"], "slice_s": known["slice_s"], "profile": {"window_s": known["window_s"]}},
        "pilot": {"db": {ANT: {"connections": known["connections"], "rps": {"32": 1000.0 + port}}}},
        "observed": {ANT: {"commands": [{"role": "app", "name": "app-0", "argv": argv, "env": env}], "files": {"nginx.conf": conf}}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ()),
        ({"slice_s": 0.05, "window_s": 1.5}, ("slice_s: 0.1 and 0.05", "window_s: 0.6 and 1.5")),
        ({"workers": 2}, (f"{ANT}: workers: 3 and 2", f"{ANT}: app-0: --workers=3 and --workers=2")),
        ({"options": {"loop": "uvloop"}}, (f"{ANT}: options: none and loop=uvloop",)),
        ({"connections": 64}, (f"{ANT}: connections in db: 32 and 64",)),
        ({"keepalive": 32}, (f"{ANT}: nginx.conf differs",)),
    ],
)
def test_differences_of_configuration_are_listed_and_nothing_that_is_every_runs_own(
    tmp_path: Path, changes: dict[str, Any], lines: tuple[str, ...]
) -> None:
    found = compared(
        run(tmp_path, "a", factors=SAME, **configured("one", 24327)),
        run(tmp_path, "b", factors=SAME, seed=2, **configured("two", 25645, **changes)),
    )
    assert found.differences == lines
