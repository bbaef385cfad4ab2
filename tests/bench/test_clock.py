"""Setting the clock is noticed once, and what it is slewed by is not."""

from bench.clock import Clock


def test_a_jump_is_told_once_with_its_direction() -> None:
    ahead = [100.0]
    clock = Clock(lambda: ahead[0])
    assert clock.jumped() is None
    ahead[0] += 1.5
    assert clock.jumped() is None, "a clock that is slewed"
    ahead[0] += 3600.0
    told = clock.jumped()
    assert told is not None
    assert told.startswith("The clock was set forward by 3602 s")
    assert clock.jumped() is None
    ahead[0] -= 7200.0
    assert str(clock.jumped()).startswith("The clock was set back by 7200 s")


def test_the_real_clocks_go_together() -> None:
    assert Clock().jumped() is None
