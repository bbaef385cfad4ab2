"""What `bench trust` plants and loads; that it is found is shown on the machine (`make bench-trust`), not in a test."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from bench import environments, slices, trust
from bench.model import App, Scenario, Stack


def test_planted_variants_are_stacks_that_differ_in_turns_alone() -> None:
    with trust.planted({"same": 0, "five": 300}) as found:
        stacks = {one: found.stacks[trust.STACK.format(variant=f"+{one}")] for one in ("same", "five")}
        assert {one: stack.variant and dict(stack.variant.env) for one, stack in stacks.items()} == {
            "same": {"PLANTED_TURNS": "0"}, "five": {"PLANTED_TURNS": "300"},
        }  # fmt: skip
        folder = found.apps[trust.NAME].folder
        assert "planted:make_app" in (folder / "app.toml").read_text()
        compile((folder / "planted.py").read_text(), "planted.py", "exec")
    assert not folder.exists()


def test_unlike_pairs_are_loaded_in_the_length_in_use_and_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[str] = []
    studied: list[tuple[list[str], str, tuple[tuple[float, float], ...], int]] = []

    def study(stacks: Iterable[Stack], scenario: Scenario, *, lengths: Any, rounds: int, **how: Any) -> None:
        studied.append(([one.id for one in stacks], scenario.name, tuple(lengths.items()), rounds))
        assert how["warmup_s"] > 0, "who is slow is loaded as in a run"
        assert how["every_request"] is False

    def prepare(found: Any, apps: Iterable[App], say: Any) -> None:
        prepared.extend(one.name for one in apps)

    monkeypatch.setattr(slices, "study", study)
    monkeypatch.setattr(environments, "prepare", prepare)
    said: list[str] = []
    folders = trust.lengths(results=tmp_path, rounds=3, say=said.append)
    assert [pair for pair, *_ in studied] == [list(pair) for pair in trust.PAIRS.values()]
    assert {one[1:] for one in studied} == {("json", ((100.0, 4.0), (200.0, 4.0), (400.0, 4.0), (1000.0, 10.0)), 3)}
    assert len(set(folders)) == 3
    assert set(prepared) == {"flask", "django", "aiohttp", "tornado"}
    assert said[0] == "slices of 100 to 1000 ms on 3 pairs: about 7 min"
    assert said[1].startswith("sync: ")
