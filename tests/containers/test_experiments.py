"""What experiments need, in containers: optional endpoints, companions, faults, and Docker as the supervisor."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from bench import broker, catalog, faults
from bench.compose import ComposeLauncher
from bench.deployment import Deployment
from bench.machine import default_budget, topology
from bench.plan import plan_stack
from bench.session import Session

DEADLINE_S = 60.0
FOUND = catalog.load()


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[ComposeLauncher]:
    with Session(home=tmp_path / "home") as session:
        made = ComposeLauncher(session, default_budget(topology()), FOUND, logs=tmp_path / "logs", results=None)
        database = made.start_base(connections=40, load=False)
        assert database.failure is None
        yield made


def ask(deployment: Deployment, target: str, method: str = "GET", secret: str = "") -> httpx.Response:
    with httpx.Client(base_url=deployment.reached.url, timeout=DEADLINE_S, trust_env=False, verify=False) as client:
        return client.request(method, target, headers=faults.headers(secret))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_calls_work_that_is_handed_on_and_faults(launcher: ComposeLauncher, ours: Callable[[], list[str]]) -> None:
    budget, secret = default_budget(topology()), faults.new_secret()
    flask, tornado = (
        plan_stack(catalog.resolve(FOUND, name), budget)
        for name in ("flask/gunicorn-sync+workers=1/direct", "tornado/single/direct")
    )
    env = launcher.accompany(["upstream", "valkey", "celery"], flask)
    assert set(env) == {"UPSTREAM_URL", "BROKER_URL"}
    (one,) = launcher.start([(flask, 0)], block=0, env={**env, **faults.environment(secret)})
    assert one.failure is None
    assert ask(one, "/fanout?n=2&ms=5").json() == {"calls": 2, "waited_ms": 5}
    assert ask(one, "/report?rounds=1&where=celery", "POST").status_code == 202
    store = launcher.companion("valkey")
    until(lambda: broker.ask(store.host, store.port, "LLEN", "reports") == 1)
    assert ask(one, "/fault/hang?ms=0", secret="another").status_code == 404
    assert ask(one, "/fault/hang?ms=0", secret=secret).json() == {"hung_ms": 0}
    assert all(launcher.companion_pids(name) for name in ("upstream", "valkey", "celery"))
    launcher.dismiss()
    assert not any(name.endswith(("-valkey-1", "-celery-1", "-upstream-1")) for name in ours())

    (other,) = launcher.start([(tornado, 0)], block=1, env=faults.environment(secret), supervised=True)
    with pytest.raises(httpx.HTTPError):
        ask(other, "/fault/exit", "POST", secret=secret)

    def answers() -> bool:
        try:
            return ask(other, "/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    until(answers)
    launcher.stop([one, other])
