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


def test_unlike_pairs_are_loaded_together_in_the_length_in_use_and_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[str] = []
    asked: dict[str, Any] = {}

    def study(stacks: Iterable[Stack], scenario: Scenario, **how: Any) -> None:
        asked.update(how, stacks=[one.id for one in stacks], scenario=scenario.name)

    def prepare(found: Any, apps: Iterable[App], say: Any) -> None:
        prepared.extend(one.name for one in apps)

    monkeypatch.setattr(slices, "study", study)
    monkeypatch.setattr(environments, "prepare", prepare)
    said: list[str] = []
    folder = trust.lengths(results=tmp_path, rounds=3, say=said.append)
    assert (asked["folder"], folder.parent) == (folder, tmp_path)
    assert asked["stacks"] == [one for pair in trust.PAIRS.values() for one in pair]
    assert asked["pairs"] == [*trust.PAIRS.values()]
    assert (asked["scenario"], asked["rounds"]) == ("json", 3)
    assert asked["lengths"] == {100.0: 4.0, 200.0: 4.0, 400.0: 4.0, 1000.0: 10.0}
    assert asked["warmup_s"] > 0, "who is slow is loaded as in a run"
    assert asked["every_request"] is False
    assert set(prepared) == {"flask", "django", "aiohttp", "tornado"}
    assert said == ["slices of 100 to 1000 ms on 3 pairs: about 7 min"]
