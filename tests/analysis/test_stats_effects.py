"""Marginal effects: which stacks make a pair, what pairs pool to, and when they are not pooled."""

import math
from typing import Any

import numpy as np
import pytest

from analysis.stats.comparison import Comparison, Place
from analysis.stats.copies import Agreement
from analysis.stats.effects import Effect, _holm, effects
from analysis.stats.factorial import matched
from analysis.stats.pairs import Pair

MODELS = {
    "gunicorn-sync": "sync", "uwsgi": "sync", "gunicorn-gthread": "threads", "gunicorn-gevent": "greenlets", "single": "loop",
    "multi": "loops",
}  # fmt: skip


def row(stack: str) -> dict[str, Any]:
    app, server, front = stack.split("/")
    name, _, variant = app.partition("+")
    server, *options = server.split("+")
    return {
        "stack": stack, "app": name, "version": "", "variant": variant, "data": "raw SQL" if variant else "ORM", "server": server,
        "front": front, "options": tuple(sorted(options)), "model": MODELS[server],
    }  # fmt: skip


def comparison(logs: dict[str, float], error: float = 0.01, margin: float = 0.03) -> Comparison:
    """As of a run in which every stack's log is known, each difference but for `error`."""
    names = list(logs)
    pairs = tuple(
        Pair(
            stack=one, other=other, log_ratio=logs[one] - logs[other], error=error, df=30, half=3.5 * error, half_alone=2 * error,
            blocks=6, answer="unresolved",
        )
        for number, one in enumerate(names)
        for other in names[number + 1 :]
    )  # fmt: skip
    return Comparison(
        scenario="db", view="capacity", metric="capacity_rps", better="higher", margin=margin, blocks=6, pairs=pairs,
        places=tuple(Place(stack=one, blocks=6, letters="a", rank=(1, 1), half_width=0.03) for one in names), left_out={}, few={},
        copies=Agreement(stacks=(), spread=0.01, by_class={}, p=0.5), precision=0.03, detectable=(0.07, 0.08),
    )  # fmt: skip


def found(logs: dict[str, float], **changes: float) -> dict[tuple[str, str, str], Effect]:
    return {
        (one.axis, one.before, one.after): one
        for one in effects(comparison(logs, **changes), [row(stack) for stack in logs])
    }


def contrasts(*stacks: str) -> dict[tuple[str, str, str], int]:
    """How many contexts each contrast has."""
    return {key: len(contexts) for key, contexts in matched([row(stack) for stack in stacks]).items()}


def test_stacks_that_differ_in_one_part_make_a_pair() -> None:
    assert contrasts("flask/gunicorn-sync/direct", "flask/gunicorn-sync/nginx") == {("front", "direct", "nginx"): 1}
    assert contrasts("tornado/single/nginx", "aiohttp/single/nginx") == {("application", "aiohttp", "tornado"): 1}
    assert contrasts("django/uwsgi/nginx", "django+raw/uwsgi/nginx") == {("data access", "ORM", "raw SQL"): 1}
    assert contrasts("flask/gunicorn-sync/nginx", "flask/gunicorn-gthread/nginx") == {
        ("server", "gunicorn-gthread", "gunicorn-sync"): 1,
        ("worker model", "sync", "threads"): 1,
    }
    assert contrasts("tornado/single/direct", "tornado/single+loop=uvloop/direct") == {("loop", "default", "uvloop"): 1}


def test_stacks_that_differ_in_two_parts_make_none() -> None:
    assert contrasts("flask/gunicorn-sync/direct", "django/gunicorn-sync/nginx") == {}
    assert contrasts("flask/gunicorn-sync/direct", "flask/gunicorn-sync+workers=8/nginx") == {}
    assert contrasts("flask/gunicorn-sync+workers=8/direct", "flask/gunicorn-sync+timeout=3/direct") == {}


def test_servers_of_one_worker_model_are_one_context() -> None:
    """gunicorn-sync and uwsgi are both sync: against threads they are one pair for Flask, not two replicates."""
    stacks = ("flask/gunicorn-sync/direct", "flask/uwsgi/direct", "flask/gunicorn-gthread/direct")
    assert contrasts(*stacks)["worker model", "sync", "threads"] == 1
    logs = dict(zip(stacks, (0.0, 0.1, 0.3), strict=True))
    one, known = found(logs)["worker model", "sync", "threads"], comparison(logs)
    assert (one.n, len(one.pairs)) == (1, 2)
    assert math.log(one.ratio) == pytest.approx((0.3 + 0.2) / 2)
    assert all(pair == known.pair(pair.stack, pair.other) for pair in one.pairs), (
        "each with its own figures, not their mean"
    )


def fronts(*changes: float) -> dict[str, float]:
    """A pair of stacks, direct and behind nginx, for each effect of nginx; their own levels differ a lot."""
    servers = [f"{app}/{server}" for app in ("flask", "django", "bottle") for server in MODELS]
    return {
        f"{server}/{front}": level + (change if front == "nginx" else 0.0)
        for level, (server, change) in enumerate(zip(servers, changes, strict=False))
        for front in ("direct", "nginx")
    }


def test_an_effect_is_the_mean_over_pairs_with_an_interval_over_them() -> None:
    changes = [-0.08, -0.075, -0.07, -0.078, -0.072, -0.075]
    one = found(fronts(*changes))["front", "direct", "nginx"]
    assert one.ratio == pytest.approx(math.exp(np.mean(changes)))
    assert len(one.pairs) == 6
    half = 2.5706 * max(np.std(changes, ddof=1), 0.01) / math.sqrt(6)  # never narrower than the pairs' own errors allow
    assert math.log(one.high / one.low) / 2 == pytest.approx(half, rel=1e-3)
    assert one.answer == "different"
    assert one.alike > 0.5


def test_an_effect_within_the_margin_is_equivalent_and_one_in_between_unresolved() -> None:
    assert found(fronts(0.001, -0.002, 0.0, 0.001, 0.002))["front", "direct", "nginx"].answer == "equivalent"
    assert found(fronts(-0.03, -0.03, -0.03, -0.03))["front", "direct", "nginx"].answer == "unresolved"


def test_pairs_that_disagree_are_listed_and_not_summed_up() -> None:
    one = found(fronts(-0.3, -0.25, 0.0, 0.02, -0.28))["front", "direct", "nginx"]
    assert one.answer == "depends"
    assert [pair.log_ratio for pair in one.pairs] == sorted(pair.log_ratio for pair in one.pairs)
    assert one.pairs[0].stack == "flask/gunicorn-sync/nginx"
    assert one.pairs[0].other == "flask/gunicorn-sync/direct"


def test_too_few_pairs_have_no_interval_and_say_so() -> None:
    one = found(fronts(-0.1, -0.1))["front", "direct", "nginx"]
    assert one.answer == "too few pairs"
    assert math.isnan(one.low)


def test_pairs_that_are_alike_are_seldom_said_to_depend() -> None:
    rng, depends, covered = np.random.default_rng(1), 0, 0
    for _ in range(400):
        one = found(fronts(*(-0.07 + rng.normal(0, 0.01, 8))), error=0.01)["front", "direct", "nginx"]
        depends += one.answer == "depends"
        covered += one.low <= math.exp(-0.07) <= one.high
    assert depends <= 0.075 * 400
    assert 0.93 * 400 <= covered <= 400


def test_stacks_that_were_not_compared_have_no_part() -> None:
    logs = fronts(-0.1, -0.1, -0.1)
    stacks = [row(stack) for stack in (*logs, "aiohttp/single/direct", "aiohttp/single/nginx")]
    (one,) = [effect for effect in effects(comparison(logs), stacks) if effect.axis == "front"]
    assert len(one.pairs) == 3


def test_holm_adjusts_in_order_and_never_downwards() -> None:
    assert _holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert _holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert _holm([]) == []
