"""What `bench trust` plants and loads; that it is found is shown on the machine (`make bench-trust`), not in a test."""

from collections.abc import Iterable, Sequence
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


def test_unlike_pairs_are_loaded_in_long_windows_that_are_cut_at_the_length_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[str] = []
    asked: dict[str, Any] = {}

    def windows(pairs: Sequence[tuple[Stack, Stack]], scenario: Scenario, **how: Any) -> None:
        asked.update(how, pairs=[tuple(one.id for one in pair) for pair in pairs], scenario=scenario.name)

    def prepare(found: Any, apps: Iterable[App], say: Any) -> None:
        prepared.extend(one.name for one in apps)

    monkeypatch.setattr(slices, "windows", windows)
    monkeypatch.setattr(environments, "prepare", prepare)
    said: list[str] = []
    folder = trust.lengths(results=tmp_path, rounds=3, say=said.append)
    assert (asked["folder"], folder.parent) == (folder, tmp_path)
    assert asked["pairs"] == [*trust.PAIRS.values()]
    assert (asked["scenario"], asked["rounds"], asked["windows"]) == ("json", 3, 4)
    assert (asked["cuts_s"], asked["window_s"]) == (pytest.approx((0.1, 0.2, 0.4)), 1.0)
    assert asked["warmup_s"] > 0, "as in a run"
    assert asked["connections"] == 16, "no stack has fewer in a run"
    assert set(prepared) == {"flask", "django", "aiohttp", "tornado"}
    assert said == ["slices of 100, 200, 400 and 1000 ms on 3 pairs: about 1 min"]
