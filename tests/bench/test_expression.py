"""Worker rules are arithmetic and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.expression import evaluate
from bench.model import BenchError

WHERE = "server.toml: key 'workers.rule'"


@pytest.mark.parametrize(
    ("text", "cpus", "expected"),
    [
        ("2 * cpus + 1", 1, 3), ("2 * cpus + 1", 4, 9), ("max(2, cpus)", 1, 2), ("max(2, cpus)", 8, 8),
        ("min(4, cpus)", 8, 4), ("cpus // 2 + 1", 5, 3), ("5 - cpus", 2, 3), ("  7", 1, 7), ("(cpus)", 6, 6),
    ],
)  # fmt: skip
def test_rules(text: str, cpus: int, expected: int) -> None:
    assert evaluate(text.strip(), {"cpus": cpus}, where=WHERE) == expected


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.integers(1, 512), st.integers(1, 9), st.integers(0, 9))
def test_the_usual_rule_for_every_number_of_cpus(cpus: int, factor: int, plus: int) -> None:
    assert evaluate(f"{factor} * cpus + {plus}", {"cpus": cpus}, where=WHERE) == factor * cpus + plus


@pytest.mark.parametrize(
    "text",
    [
        "", "auto", "nproc", "cpu * 2", "2 ** cpus", "cpus / 2", "1.5", "True", "'8'", "-1", "max()", "max(cpus)",
        "max(*[1, 2])", "abs(1)", "max(1, key=2)", "cpus.real", "__import__('os')", "cpus if cpus else 1", "1 // 0", "1; 2",
        "cpus[0]", "lambda: 1", "\0",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_its_place_and_the_names(text: str) -> None:
    with pytest.raises(BenchError) as caught:
        evaluate(text, {"cpus": 2, "workers": 5}, where=WHERE)
    assert str(caught.value).startswith(f"{WHERE}: '{text}' is no rule; write integers")
    assert str(caught.value).endswith("the names cpus, workers")


@pytest.mark.parametrize("text", ["0", "cpus - 2", "1 - 5"])
def test_fewer_than_one_is_refused(text: str) -> None:
    with pytest.raises(BenchError, match="it must be at least 1"):
        evaluate(text, {"cpus": 2}, where=WHERE)
