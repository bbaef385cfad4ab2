"""Failures on request: only for who knows the secret, and each does what it says, in every language and on every kind of server."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench import catalog, faults
from bench.deployment import Deployment, died
from bench.launch import NativeLauncher, Tools
from bench.machine import default_budget, topology
from bench.plan import plan_stack
from bench.session import Session

STACKS = {
    name.partition("/")[0]: name
    for name in (
        "flask/gunicorn-sync+workers=2/direct", "bottle/gunicorn-gthread+workers=1/direct", "django/gunicorn-sync+workers=2/direct",
        "django-async/uvicorn+workers=1/direct", "tornado/single/direct", "aiohttp/single/direct", "asyncio/single/direct",
        "twisted/twisted-single/direct", "koa/node/direct", "go/go/direct",
    )
}  # fmt: skip
ALONE = sorted({"tornado", "aiohttp", "asyncio", "twisted", "koa", "go"})
"""Single processes, which nobody starts again."""
HANG_S = 20.0


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, Deployment]]]:
    """All of them side by side, with the secret that switches faults on."""
    folder, secret = tmp_path_factory.mktemp("faults"), faults.new_secret()
    with Session(home=folder / "home") as session:
        budget, found = default_budget(topology()), catalog.load()
        launcher = NativeLauncher(
            session, budget, tools=Tools(paths={}, missing={}), database_url=None, logs=folder / "logs"
        )
        planned = [(plan_stack(catalog.resolve(found, name), budget), 0) for name in STACKS.values()]
        deployments = launcher.start(planned, block=0, env=faults.environment(secret))
        yield secret, {one.planned.stack.app.name: one for one in deployments}


@pytest.fixture(params=STACKS)
def app(request: pytest.FixtureRequest, deployed: tuple[str, dict[str, Deployment]]) -> "Asked":
    return asked(request.param, deployed)


@pytest.fixture(params=ALONE)
def alone(request: pytest.FixtureRequest, deployed: tuple[str, dict[str, Deployment]]) -> "Asked":
    return asked(request.param, deployed)


class Asked:
    """One deployment, asked with the secret unless told otherwise."""

    def __init__(self, deployment: Deployment, secret: str) -> None:
        self.deployment, self.secret = deployment, secret
        self.name = deployment.planned.stack.app.name

    def __call__(self, target: str, method: str = "POST", secret: str | None = None) -> httpx.Response:
        headers = faults.headers(self.secret if secret is None else secret)
        with httpx.Client(base_url=self.deployment.client.url, timeout=HANG_S, trust_env=False, verify=False) as client:
            return client.request(method, target, headers=headers)

    def pid(self) -> Any:
        return self("/whoami", "GET").json()["pid"]


def asked(name: str, deployed: tuple[str, dict[str, Deployment]]) -> Asked:
    secret, deployments = deployed
    assert deployments[name].failure is None, deployments[name].failure
    return Asked(deployments[name], secret)


def test_without_the_secret_there_is_no_such_path(app: Asked) -> None:
    unknown = app("/nope?ms=0")
    assert unknown.status_code == 404
    for method in ("GET", "POST"):
        for secret in ("", "x" * 32, app.secret[:-1], f"{app.secret}x"):
            answer = app("/fault/hang?ms=0", method, secret)
            assert (answer.status_code, answer.text) == (404, unknown.text.replace("nope", "fault/hang"))
    assert app("/fault/nope").status_code == 404


def test_parameters_are_read_strictly(app: Asked) -> None:
    for target in ("hang?ms=-1", "exit?code=256", "exit?code=+70", "leak?mib=x", "raise?after_ms=600001"):
        name = target.partition("?")[2].partition("=")[0]
        answer = app(f"/fault/{target}")
        assert (answer.status_code, answer.json()["error"].partition(":")[0]) == (400, name), target
    assert app("/fault/burn?ms=1&where=nowhere").json()["error"].startswith("where: must be")


def test_hanging_leaking_and_burning_say_what_they_did(app: Asked) -> None:
    started = time.monotonic()
    assert app("/fault/hang?ms=50&after_ms=30", "GET").json() == {"hung_ms": 50}
    assert time.monotonic() - started >= 0.08
    burn = app("/fault/burn?ms=40").json()
    assert 0.039 <= burn["ended"] - burn["began"] < HANG_S
    assert abs(time.time() - burn["ended"]) < HANG_S


def test_what_leaks_is_kept_and_taken_for_real(alone: Asked) -> None:
    pids = alone.deployment.pids("app")
    before = sum(map(resident_bytes, pids))
    assert [alone("/fault/leak?mib=20").json() for _ in range(2)] == [{"kept_mib": 20}, {"kept_mib": 40}]
    assert sum(map(resident_bytes, pids)) - before > 30 << 20


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_an_exception_ends_nothing(app: Asked) -> None:
    before = app.deployment.pids("app")
    if app.name == "go":
        with pytest.raises(httpx.RemoteProtocolError):
            app("/fault/raise")
    else:
        assert app("/fault/raise").status_code == 500
    assert app.deployment.pids("app") == before
    assert app("/plaintext", "GET").status_code == 200


@pytest.mark.parametrize("name", ["django-async", "twisted", "koa"])
def test_a_burn_on_the_loop_stops_it_and_one_in_a_thread_does_not(
    deployed: tuple[str, dict[str, Deployment]], name: str
) -> None:
    app = asked(name, deployed)
    with ThreadPoolExecutor(1) as pool:
        for where, waits in (("inline", True), ("thread", False)):
            burning = pool.submit(app, f"/fault/burn?ms=1500&where={where}&after_ms=50")
            asked_for = []
            while not burning.done():
                began = time.time()
                app("/plaintext", "GET")
                asked_for.append((began, time.time()))
            burn = burning.result().json()
            # Asked for and answered within the burn: an answer sent just before it may be read, on a busy machine, after it began.
            within = any(burn["began"] < began and ended < burn["ended"] for began, ended in asked_for)
            assert within != waits


@pytest.mark.parametrize("name", ["flask", "tornado"])
def test_a_process_of_its_own_burns_elsewhere(deployed: tuple[str, dict[str, Deployment]], name: str) -> None:
    app = asked(name, deployed)
    assert app("/fault/burn?ms=1&where=process").json()["pid"] not in {app.pid() for _ in range(4)}


@pytest.mark.parametrize("name", ["flask", "django"])
@pytest.mark.parametrize("fault", ["exit", "segv"])
def test_a_worker_that_dies_is_replaced(deployed: tuple[str, dict[str, Deployment]], name: str, fault: str) -> None:
    app = asked(name, deployed)
    before = set(app.deployment.pids("app"))
    with pytest.raises(httpx.RemoteProtocolError):
        app(f"/fault/{fault}")
    deadline = time.monotonic() + HANG_S
    while not (len(now := set(app.deployment.pids("app"))) == len(before) and now != before):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert app("/plaintext", "GET").status_code == 200


def test_a_single_process_is_gone(alone: Asked) -> None:
    fault, codes = {"go": ("segv", {2}), "koa": ("segv", {-11}), "aiohttp": ("segv", {-11})}.get(
        alone.name, ("exit?code=71", {71})
    )
    with pytest.raises(httpx.HTTPError):
        alone(f"/fault/{fault}")
    (leader,) = alone.deployment.spawned
    assert leader.popen.wait(HANG_S) in codes
    assert died(alone.deployment)
