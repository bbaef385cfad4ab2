"""What the rules of the claim files must hold to measure what the claims say."""

from bench import claim

CLAIMS = {number: claim.read(path) for number, path in claim.discover().items()}


def judged(number: int) -> set[str]:
    """The arms that a check or control of the claim names."""
    return {arm for rule in CLAIMS[number].rules for arm in (rule.arm, rule.against) if arm}


def test_work_that_could_not_be_handed_on_is_not_quick() -> None:
    """Where half of Celery's requests fail, the median of the rest is fine, and all that was accepted is done."""
    controlled = {one.arm for one in CLAIMS[13].control if one.metric == "failed_share"}
    assert controlled == judged(13)


def test_completion_is_compared_among_those_that_make_one_report_at_a_time() -> None:
    (check,) = (one for one in CLAIMS[13].check if one.metric == "completion_mean_ms")
    assert check.against
    assert "+workers=1/" in CLAIMS[13].arms()[check.against].stack
