"""What the rules of the claim files must hold to measure what the claims say."""

from statistics import NormalDist

import pytest

from bench import catalog, claim
from bench.claims import choose
from bench.experiments import parts
from bench.model import Budget
from bench.plan import slots

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


@pytest.mark.parametrize("cpus", [1, 4, 16])
def test_a_wait_for_the_database_is_no_wait_for_a_connection_of_our_own_cap(cpus: int) -> None:
    """With a cap of 12, sync workers had as many connections as threads wherever there were CPUs enough for so many of them."""
    budget = Budget(server_cpus=frozenset(range(cpus)), load_cpus=frozenset({99}), database_cpus=frozenset({99}))
    arms = {arm.name: arm for arm in choose.plan(catalog.load(), CLAIMS[11], budget).arms}
    sent = arms["sync"].parameters.waiting_connections
    for one in arms.values():
        threads = sent if slots(one.stack) is None else one.stack.threads
        assert one.stack.pool_max >= threads, "one process may get all that is sent at once"
    assert slots(arms["sync"].stack) == 2, "however many CPUs there are"


def test_every_way_to_serve_a_view_is_judged_by_what_was_predicted_of_it() -> None:
    arms = CLAIMS[12].arms().keys()
    assert {rule.arm for rule in CLAIMS[12].rules} | {"wsgi"} == arms


def test_every_server_that_a_crowd_is_compared_with_is_controlled_to_fail_none() -> None:
    against = {one.against for one in CLAIMS[4].check if one.metric == "storm_error_share"}
    assert {one.arm for one in CLAIMS[4].control if one.metric == "storm_error_share"} == against


def test_every_restart_is_judged_and_known_to_have_happened() -> None:
    lost = [one for one in CLAIMS[19].check if one.metric == "lost_share"]
    restarted = {arm for one in lost for arm in (one.arm, one.against)}
    assert restarted == {name for name in CLAIMS[19].arms() if name not in ("go", "flask-again")}
    for metric in ("replaced", "before_failed_share"):
        assert {one.arm for one in CLAIMS[19].control if one.metric == metric} == restarted


def test_what_a_restart_without_loss_shows_lies_in_the_region_that_supports() -> None:
    """The interval of a share is as wide as so many requests leave it: three replicates that lost nothing must be able to support."""
    lost = [one for one in CLAIMS[19].check if one.metric == "lost_share"]
    given = parts.Parameters(restart="hup")
    count = 3 * given.rate_rps * given.after_s
    z = NormalDist().inv_cdf(1 - 0.025 / len(CLAIMS[19].check))
    upper = z**2 / (count + z**2)  # Wilson's, of none lost
    for one in lost:
        relation, _, bound = one.supports.partition(" ")
        assert relation == "<="
        assert upper <= float(bound)
