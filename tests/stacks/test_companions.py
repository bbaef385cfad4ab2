"""Optional endpoints with what they need: calls to another service, work that is handed on, and a supervisor."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from bench import broker, catalog, faults
from bench.deployment import Deployment
from bench.launch import NativeLauncher, Tools
from bench.machine import default_budget, topology
from bench.plan import plan_stack
from bench.session import Session

DEADLINE_S = 20.0


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[NativeLauncher]:
    with Session(home=tmp_path / "home") as session:
        yield NativeLauncher(
            session, default_budget(topology()), tools=Tools(paths={}, missing={}), database_url=None, logs=tmp_path / "logs"
        )  # fmt: skip


def deployed(launcher: NativeLauncher, *names: str, env: dict[str, str], supervised: bool = False) -> list[Deployment]:
    found, budget = catalog.load(), default_budget(topology())
    planned = [(plan_stack(catalog.resolve(found, name), budget), 0) for name in names]
    deployments = launcher.start(planned, block=0, env=env, supervised=supervised)
    assert [one.failure for one in deployments] == [None] * len(names)
    return deployments


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ask(deployment: Deployment, target: str, method: str = "GET", **how: dict[str, str]) -> httpx.Response:
    with httpx.Client(base_url=deployment.client.url, timeout=DEADLINE_S, trust_env=False, verify=False) as client:
        return client.request(method, target, **how)  # type: ignore[arg-type]


def test_views_call_another_service_one_after_the_other_or_all_at_once(launcher: NativeLauncher) -> None:
    found, budget = catalog.load(), default_budget(topology())
    any_stack = plan_stack(catalog.resolve(found, "flask/gunicorn-sync/direct"), budget)
    env = launcher.accompany(["upstream"], any_stack)
    deployments = deployed(
        launcher, "flask/gunicorn-sync+workers=1/direct", "flask/gunicorn-gevent+workers=1/direct", "django/gunicorn-sync+workers=1/direct",
                "django/uvicorn+workers=1/direct", "django-async/uvicorn+workers=1/direct", "tornado/single/direct",
        "aiohttp/single/direct", env=env,
    )  # fmt: skip
    for deployment in deployments:
        stack = deployment.planned.stack
        one_by_one = ["/fanout"] if stack.app.name in ("flask", "django") else []
        together = ["/fanout"] if not one_by_one else ["/async/fanout"] if stack.app.name == "django" else []
        for paths, calls_ms in ((one_by_one, 120), (together, 40)):
            for path in paths:
                took_ms = []
                for _ in range(2):
                    answer = ask(deployment, f"{path}?n=3&ms=40")
                    assert (answer.status_code, answer.text) == (200, '{"calls":3,"waited_ms":40}'), stack.id
                    took_ms.append(answer.elapsed.total_seconds() * 1000)
                assert min(took_ms) >= calls_ms, stack.id
        assert ask(deployment, "/fanout?n=0&ms=1").status_code == 400
        if stack.app.name == "django":
            assert ask(deployment, "/async/plaintext").text == "Hello, World!"
    launcher.stop(deployments)
    launcher.dismiss()


def test_reports_are_made_wherever_they_are_handed_to(launcher: NativeLauncher) -> None:
    stack = catalog.resolve(catalog.load(), "flask/gunicorn-sync+workers=1/direct")
    env = launcher.accompany(["valkey", "celery"], plan_stack(stack, default_budget(topology())))
    (deployment,) = deployed(launcher, stack.id, env=env)
    port = int(env["BROKER_URL"].rpartition(":")[2].partition("/")[0])
    for count, where in enumerate(("inline", "thread", "process", "celery"), start=1):
        answer = ask(deployment, f"/report?rounds=1000&where={where}", "POST")
        if where == "inline":
            assert (answer.status_code, answer.json()) == (200, {"result": 1219259225})
        else:
            assert answer.status_code == 202, answer.text
        until(lambda count=count: broker.ask("127.0.0.1", port, "LLEN", "reports") == count)  # type: ignore[misc]
    assert ask(deployment, "/report?rounds=1&where=moon", "POST").status_code == 400
    done = broker.ask("127.0.0.1", port, "LRANGE", "reports", "0", "-1")
    assert isinstance(done, list)
    for line in done:
        assert isinstance(line, bytes)
        asked, began, ended = map(float, line.split())
        assert asked <= began <= ended


def test_a_supervisor_starts_what_ends(launcher: NativeLauncher) -> None:
    secret = faults.new_secret()
    (deployment,) = deployed(
        launcher, "tornado/single/direct", env=faults.environment(secret), supervised=True
    )  # fmt: skip
    before = ask(deployment, "/whoami").json()["pid"]
    with pytest.raises(httpx.HTTPError):
        ask(deployment, "/fault/exit?code=70", "POST", headers=faults.headers(secret))

    def answers() -> bool:
        try:
            return bool(ask(deployment, "/whoami").json()["pid"] != before)
        except httpx.HTTPError:
            return False

    until(answers)
    assert len(deployment.pids("app")) == deployment.planned.processes == 2
