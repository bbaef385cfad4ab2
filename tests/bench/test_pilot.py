"""How many connections: the fewest that do nearly as much as the best."""

import pytest

from bench import pilot


@pytest.mark.parametrize(
    ("rates", "chosen"),
    [
        ({16: 95.5, 32: 100.0, 64: 98.0}, 16),
        ({16: 94.0, 32: 96.0, 64: 100.0}, 32),
        ({16: 10.0, 32: 50.0, 64: 100.0}, 64),
        ({16: 100.0, 32: 50.0, 64: 20.0}, 16),
        ({16: None, 32: 50.0, 64: 0.0}, 32),
        ({16: None, 32: None, 64: None}, 16),
    ],
)
def test_the_fewest_that_do_nearly_as_much_are_taken(rates: dict[int, float | None], chosen: int) -> None:
    assert pilot.choose(rates) == chosen


def test_who_was_left_out_has_no_rate_to_choose_by() -> None:
    assert pilot.rate({"rps": 90.0, "left_out": False}) == 90.0
    assert pilot.rate({"rps": None, "left_out": False}) is None
    assert pilot.rate({"rps": 90.0, "left_out": True}) is None, "some good slices, and then none"


def test_answers_are_read_back_by_deployment() -> None:
    rates = {pilot.target_id("0-a-0", 16): 5.0, pilot.target_id("0-a-0", 32): None, pilot.target_id("0-b-0", 64): 7.0}
    assert pilot.read(["0-a-0", "0-b-0"], rates) == {
        "0-a-0": {16: 5.0, 32: None, 64: None}, "0-b-0": {16: None, 32: None, 64: 7.0},
    }  # fmt: skip
