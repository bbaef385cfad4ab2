"""Journeys: Locust's own users on the engine's connections, counted to the request, held between slices."""

import contextlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import numpy as np
import pyarrow.parquet as pq
import pytest
from locust import SequentialTaskSet, constant, task
from locust.env import Environment
from locust.exception import StopUser
from scripted_servers import HANG, head

from loadtests import asked as asked_module
from loadtests import job as job_file
from loadtests import troupe
from loadtests.client import Client
from loadtests.errors import LoadError
from loadtests.journey import Engine, EngineUser, _check_hosts
from loadtests.session import Session
from loadtests.steps import FURTHER, MOST, Steps
from tests.waiting import until


def reply(status: bytes, body: bytes = b"", extra: bytes = b"") -> bytes:
    return head(len(body), status=status, extra=extra) + body


@pytest.fixture
def user(serve: Any) -> Any:
    """A client on a connection of its own, to a server that answers as told, request by request."""
    engines = []

    def make(*answers: Any) -> tuple[Client, Any]:
        server = serve(lambda number: answers[min(number, len(answers) - 1)])
        env = Environment(user_classes=[])
        engine = Engine(env, f"http://127.0.0.1:{server.port}")
        engines.append(engine)
        return Client(engine.pool.add(), engine.address.host, engine.steps, engine.pool.expect.problems), server

    yield make
    for engine in engines:
        engine.pool.close()


def test_an_answer_is_read_as_requests_would(user: Any) -> None:
    client, _ = user([reply(b"201 Created", b'{"id":7}', b"Location: /api/items/7\r\n")])
    answer = client.post("/api/items", json={"name": "a"}, expect=201, name="create")
    assert (answer.status_code, answer.ok, answer.json(), answer.text) == (201, True, {"id": 7}, '{"id":7}')
    assert answer.headers["location"] == "/api/items/7"
    assert answer.elapsed_s > 0


def test_bodies_and_headers_go_out_as_given(user: Any) -> None:
    client, server = user([reply(b"200 OK")])
    client.post("/a", json={"name": "\u00fc", "quantity": 3})
    client.put("/a", data="plain text", headers={"Content-Type": "text/plain"})
    client.get("/a b?q=\u00fc&x=1")
    client.post("/a", data={"q": "a b", "many": [1, 2]}, params={"x": "y/z"})
    assert server.bodies == [b'{"name":"\\u00fc","quantity":3}', b"plain text", b"q=a+b&many=1&many=2"]
    assert client._steps.names == ["/a", "/a", "/a b?q=\u00fc&x=1", "/a?x=y%2Fz"]


def test_a_header_goes_out_once_however_its_name_is_written(user: Any) -> None:
    """What the user gives counts, a cookie of their own too, as with `requests`; the length is the body's."""
    client, _ = user([reply(b"200 OK")])
    client.cookies["session"] = "jar"
    own = {"content-type": "text/x", "HOST": "other", "cookie": "own=1", "content-length": "9"}
    sent = client._encode("POST", "/", (b"{}", "application/json"), own)
    lines = sent.removesuffix(b"\r\n\r\n{}").split(b"\r\n")[1:]
    assert sorted(lines) == [b"Content-Length: 2", b"HOST: other", b"content-type: text/x", b"cookie: own=1"]
    sent = client._encode("GET", "/", (b"", ""), {})
    assert sent.endswith(b"\r\nCookie: session=jar\r\n\r\n")


def test_cookies_are_kept_sent_and_dropped(user: Any) -> None:
    client, _ = user(
        [reply(b"200 OK", extra=b"Set-Cookie: session=abc; Path=/; HttpOnly\r\nSet-Cookie: theme=dark\r\n")],
        [reply(b"200 OK", extra=b"Set-Cookie: session=gone; Max-Age=0\r\n")],
    )
    client.get("/login")
    assert client.cookies == {"session": "abc", "theme": "dark"}
    client.get("/logout")
    assert client.cookies == {"theme": "dark"}


def test_a_status_that_was_not_expected_is_a_failure_and_named(user: Any) -> None:
    client, _ = user([reply(b"422 Unprocessable Content")], [reply(b"200 OK")], [reply(b"404 Not Found")])
    assert client.post("/a", json={}, expect=422, name="refused").ok
    wrong = client.get("/a", expect=(404, 410), name="gone")
    assert (wrong.ok, wrong.error, wrong.status_code) == (False, "status", 200)
    assert client.get("/a", name="any").error == "status"
    rows = client._connection._record.__self__.since(0)
    assert rows["fault"].tolist() == [0, 5, 5]
    assert rows["step"].tolist() == [0, 1, 2]
    assert client._problems == ["gone: status 200, expected 404 or 410", "any: status 404, expected one below 400"]


def test_a_body_that_its_check_does_not_like_is_a_failure_and_named(user: Any) -> None:
    client, _ = user(
        [reply(b"200 OK", b"[1]")], [reply(b"200 OK", b"[]")], [reply(b"200 OK", b"oops")], [reply(b"404 Not Found")]
    )
    answers = [client.get("/a", name="list", check=json.loads) for _ in range(4)]
    assert [answer.error for answer in answers] == [None, "bad-content", "bad-content", "status"]
    assert answers[1].text == "[]", "what came can be read all the same"
    assert client._connection._record.__self__.since(0)["fault"].tolist() == [0, 6, 6, 5]
    assert client._problems[0] == "list: check says no: b'[]'"
    assert client._problems[1].startswith("list: check: JSONDecodeError: Expecting value")
    assert client._problems[1].endswith(": b'oops'")
    assert client.get("/a", expect=404).ok, "a check is that of one request"


def test_a_lost_connection_is_an_answer_without_status_and_the_next_request_opens_a_new_one(user: Any) -> None:
    client, server = user(["close"], [reply(b"200 OK", b"again")])
    lost = client.get("/a")
    assert (lost.status_code, lost.ok, lost.error, lost.content) == (0, False, "reset", b"")
    assert client.get("/a").text == "again"
    assert server.connections == 2


@pytest.mark.parametrize(
    ("method", "path", "how", "says"),
    [
        ("HEAD", "/a", {}, "method 'HEAD': one of GET,"),
        ("GET", "http://127.0.0.1/a", {}, "a path begins with /"),
        ("POST", "/a", {"data": 7}, "data: expected bytes, a text or a table, got int"),
        ("GET", "/a", {"headers": {"X-Name": "a\r\nb"}}, "header 'X-Name'"),
        ("GET", "/a", {"headers": {"X-Name": "\u4e2d"}}, "header 'X-Name'"),
    ],
)
def test_what_cannot_be_sent_is_said_and_the_client_goes_on(
    method: str, path: str, how: dict[str, Any], says: str, user: Any
) -> None:
    client, server = user([reply(b"200 OK")])
    with pytest.raises(LoadError, match=says):
        client.request(method, path, **how)
    assert client.get("/").ok
    assert server.requests == 1


def test_a_request_that_the_journey_gives_up_is_a_timeout_and_the_next_one_is_its_own(user: Any) -> None:
    client, server = user([HANG], [reply(b"200 OK", b"mine")])
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
        client.get("/slow")
    assert client.get("/next").text == "mine"
    assert server.connections == 2
    assert client._connection._record.__self__.since(0)["fault"].tolist() == [3, 0]


def test_a_user_who_is_stopped_leaves_no_request_behind(user: Any) -> None:
    client, _ = user([HANG])
    waiting = gevent.spawn(client.get, "/slow")
    until(lambda: client._connection.is_open, nap=gevent.sleep)
    waiting.kill()
    assert not client._connection.busy
    assert client._connection._record.__self__.rows == 0


def test_a_client_is_one_connection(user: Any) -> None:
    client, _ = user([HANG])
    waiting = gevent.spawn(client.get, "/slow")
    gevent.sleep(0)
    with pytest.raises(LoadError, match="one request at a time"):
        client.get("/other")
    waiting.kill()


class Round(SequentialTaskSet):
    def on_start(self) -> None:
        self.rounds = 0

    @task
    def first(self) -> None:
        self.client.get("/first", name="first")

    @task
    def second(self) -> None:
        self.rounds += 1
        self.client.get(f"/second?round={self.rounds}", name="second")


class Walker(EngineUser):
    """In this order, again and again, with what it remembers; it would think for long."""

    wait_time = constant(60)
    tasks = [Round]  # noqa: RUF012


class Weighted(EngineUser):
    wait_time = constant(0)

    @task(9)
    def often(self) -> None:
        self.client.get("/often", name="often")

    @task(1)
    def seldom(self) -> None:
        self.client.get("/seldom", name="seldom")


@pytest.fixture
def journey(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the scenario `plaintext` a journey of the user class given."""

    def make(kind: type[EngineUser]) -> None:
        plain = asked_module.scenario.resolve
        monkeypatch.setattr(
            asked_module.scenario, "resolve", lambda *given: asked_module.replace(plain(*given), journey="it")
        )
        monkeypatch.setattr(asked_module, "user_class", lambda name: kind)

    return make


def test_users_are_held_between_slices_and_go_on_where_they_were(serve: Any, load: Any, journey: Any) -> None:
    journey(Walker)
    servers = [serve(lambda number: [reply(b"200 OK")]) for _ in range(2)]
    outcome = load(
        *(server.port for server in servers), mode="duet", slice_s=0.05, measure_s=0.2, connections=3, warmup_s=0.05
    )
    rows = outcome.table.rows
    outcome.assert_windows_hold_their_own_target_alone(servers)
    for target, server in zip(outcome.targets, servers, strict=True):
        assert server.connections == 3
        names = {step["name"]: step for step in target["steps"]}
        assert set(names) == {"first", "second"}
        # In turns, from each of 3 users: the counts of the two differ by what is under way.
        mine = rows[outcome.table.target == outcome.targets.index(target)]
        assert abs((mine["step"] == 0).sum() - (mine["step"] == 1).sum()) <= 3
        assert sum(step["requests"] for step in names.values()) == target["requests"] > 0
    stored = pq.read_table(outcome.job.requests_path, columns=["step"])["step"].to_pylist()
    assert set(stored) == {"first", "second"}


def test_weights_are_locusts(serve: Any, load: Any, journey: Any) -> None:
    journey(Weighted)
    server = serve(lambda number: [reply(b"200 OK")])
    outcome = load(server.port, mode="closed", measure_s=0.6, connections=4)
    counts = {step["name"]: step["requests"] for step in outcome.first["steps"]}
    assert 4 < counts["often"] / counts["seldom"] < 20


def test_an_error_in_the_journeys_own_code_is_told_and_the_rest_goes_on(serve: Any, load: Any, journey: Any) -> None:
    class Clumsy(EngineUser):
        wait_time = constant(0)

        @task
        def stumble(self) -> None:
            self.client.get("/", name="look").json()

    journey(Clumsy)
    server = serve(lambda number: [reply(b"200 OK", b"no JSON")])
    outcome = load(server.port, mode="closed", measure_s=0.2, connections=2)
    assert outcome.first["requests"] > 2
    assert any(problem.startswith("the journey's own code: JSONDecodeError") for problem in outcome.first["problems"])


def test_a_journey_that_fails_before_it_sends_does_not_spin(serve: Any, load: Any, journey: Any) -> None:
    attempts = []

    class Broken(EngineUser):
        @task
        def fail(self) -> None:
            attempts.append(1)
            self.client.get("no slash")

    journey(Broken)
    server = serve(lambda number: [reply(b"200 OK")])
    outcome = load(server.port, mode="duet", slice_s=0.1, measure_s=0.3, connections=2)
    assert server.requests == 0
    assert 2 <= len(attempts) < 40
    assert [problem[:40] for problem in outcome.first["problems"]] == ["the journey's own code: LoadError: 'no s"]


def test_who_leaves_or_cannot_begin_is_followed_by_another(serve: Any, load: Any, journey: Any) -> None:
    begun = []

    class Leaving(EngineUser):
        def on_start(self) -> None:
            begun.append(1)
            if len(begun) == 1:
                raise RuntimeError("no ticket")

        @task
        def look(self) -> None:
            self.client.get("/", name="look")
            raise StopUser

    journey(Leaving)
    server = serve(lambda number: [reply(b"200 OK", extra=b"Set-Cookie: a=b\r\n")])
    outcome = load(server.port, mode="closed", measure_s=0.4, connections=1)
    assert outcome.first["requests"] >= 2
    assert outcome.first["requests"] == server.connections == len(begun) - 1, "each on a connection of its own"
    assert outcome.first["problems"] == ["the journey's own code: RuntimeError: no ticket"]


def test_a_refusing_target_is_counted_and_does_not_spin(load: Any, journey: Any) -> None:
    import socket

    journey(Weighted)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = load(port, mode="duet", slice_s=0.1, measure_s=0.3, connections=4)
    assert 0 < outcome.first["errors"]["connect"] < 200
    assert set(outcome.first["errors"]) == {"connect"}


def test_sets_of_tasks_that_think_do_not_in_a_job(serve: Any, load: Any, journey: Any) -> None:
    class Slow(Round):
        wait_time = constant(60)

    class Thinker(EngineUser):
        tasks = [Slow]  # noqa: RUF012

    journey(Thinker)
    server = serve(lambda number: [reply(b"200 OK")])
    assert load(server.port, mode="closed", measure_s=0.2, connections=1).first["requests"] > 2


def test_what_hangs_times_out_and_the_job_ends(serve: Any, load: Any, journey: Any) -> None:
    journey(Walker)
    server = serve(lambda number: [HANG])
    outcome = load(server.port, mode="closed", measure_s=0.2, connections=2, timeout_s=0.3)
    assert outcome.first["errors"]["timeout"] >= 2
    assert outcome.first["requests"] == 0


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"mode": "open", "rate_rps": 5.0}, "is a journey: its users wait for each answer"),
        ({"mode": "closed", "think_s": 0.1}, "neither stages nor think_s"),
    ],
)
def test_what_a_journey_cannot_do_is_refused(keys: dict[str, Any], says: str, tmp_path: Any) -> None:
    orders = {
        "version": 1, "scenario": "items", "targets": [{"id": "a", "host": "127.0.0.1", "port": 80, "connections": 4}],
        "measure_s": 1.0, "requests_path": None, "slices_path": None, "result_path": str(tmp_path / "r.json"), **keys,
    }  # fmt: skip
    (tmp_path / "job.json").write_text(json.dumps(orders))
    with pytest.raises(LoadError, match=says):
        Session(job_file.read(tmp_path / "job.json"))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import no_such_module", r"journeys/made\.py: No module named 'no_such_module'"),
        ("def", r"journeys/made\.py: SyntaxError"),
        ("", "found 0"),
    ],
)
def test_a_journey_that_cannot_be_read_is_one_clear_line(
    source: str, says: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loadtests import journeys

    (tmp_path / "made.py").write_text(source)
    monkeypatch.setattr(journeys, "__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "loadtests.journeys.made", raising=False)
    with pytest.raises(LoadError, match=says):
        troupe.user_class("made")


def test_journeys_are_found_by_name() -> None:
    assert troupe.user_class("items").__name__ == "Clerk"
    with pytest.raises(LoadError, match=r"there is no loadtests/journeys/no_such\.py"):
        troupe.user_class("no-such")


class Store:
    """Answers as the contract's items do, from memory; or `empty`, as if there were none, but with the right status."""

    def __init__(self, *, empty: bool = False) -> None:
        self.empty = empty
        self.items = {number: {"name": "x", "quantity": 1} for number in range(1, 21)}
        self.next = 21
        self.lock = threading.Lock()

    def answer(self, method: str, target: str, body: bytes) -> bytes:
        path, _, query = target.partition("?")
        found = re.fullmatch(r"/api/items/(\d+)", path)
        with self.lock:
            if found and int(found[1]) not in self.items:
                return reply(b"404 Not Found", b'{"error":"item: not found"}')
            if method == "DELETE" and found:
                del self.items[int(found[1])]
                return reply(b"200 OK").replace(b"200 OK", b"204 No Content").replace(b"Content-Length: 0\r\n", b"")
            if method == "POST":
                if not json.loads(body)["name"]:
                    return reply(b"422 Unprocessable Content", b'{"errors":{"name":"x","quantity":"y"}}')
                number, self.next = self.next, self.next + 1
                self.items[number] = json.loads(body)
                return reply(b"201 Created", self.shown(number))
            if method == "PUT" and found:
                self.items[int(found[1])] = json.loads(body)
            if found:
                return reply(b"200 OK", b"{}" if self.empty else self.shown(int(found[1])))
            after, limit = (int(value) for value in re.findall(r"\d+", query))
            page = [] if self.empty else [number for number in sorted(self.items) if number > after][:limit]
            return reply(b"200 OK", b"[" + b",".join(map(self.shown, page)) + b"]")

    def shown(self, number: int) -> bytes:
        return json.dumps({"id": number, **self.items[number]}).encode()


@contextlib.contextmanager
def serving(store: Store) -> Iterator[int]:
    """Gives the port."""
    import socketserver

    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            while line := self.rfile.readline():
                method, path, _ = line.decode().split(" ")
                length = 0
                while (field := self.rfile.readline()) not in (b"\r\n", b""):
                    if field.lower().startswith(b"content-length:"):
                        length = int(field.split(b":")[1])
                body = self.rfile.read(length)
                self.wfile.write(store.answer(method, path, body))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_an_empty_list_and_an_item_that_is_none_are_bad_content_whatever_their_status(load: Any) -> None:
    with serving(Store(empty=True)) as port:
        outcome = load(port, mode="closed", scenario="items", measure_s=0.4, connections=2)
    errors = {step["name"]: step["errors"] for step in outcome.first["steps"]}
    wrong = [name for name, found in errors.items() if found]
    assert wrong == ["list", "open", "edit", "open, changed"]
    assert set(outcome.first["errors"]) == {"bad-content"}
    assert "list: check says no: b'[]'" in outcome.first["problems"]


def test_the_clerks_leave_the_list_as_they_found_it(load: Any) -> None:
    """Against a server that keeps items: every answer is as expected, and at most each clerk's last item is left."""
    store = Store()
    with serving(store) as port:
        outcome = load(port, mode="duet", scenario="items", slice_s=0.1, measure_s=0.5, connections=4)
    assert outcome.first["errors"] == {}
    assert outcome.first["problems"] == []
    assert [step["name"] for step in outcome.first["steps"]] == [
        "list", "open", "create, refused", "create", "edit", "open, changed", "delete", "open, deleted",
    ]  # fmt: skip
    steps = np.bincount(outcome.table.rows["step"])
    assert 0 <= steps[3] - steps[6] <= 4
    assert len(store.items) - 20 <= 4


def test_the_documented_journey_runs(load: Any, journey: Any, serve: Any) -> None:
    text = (Path(__file__).parents[2] / "docs" / "load-engine.md").read_text()
    (source,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    found: dict[str, Any] = {"__name__": "documented"}
    exec(source, found)  # the page's own example
    journey(found["Visitor"])
    server = serve(lambda number: [reply(b"200 OK", b"[]")])
    outcome = load(server.port, mode="closed", measure_s=0.3, connections=8)
    steps = {step["name"]: step for step in outcome.first["steps"]}
    assert steps["list"]["method"] == "GET"
    assert steps["open"]["requests"] > 0
    assert "status" in steps["create"]["errors"], "200 is not the 201 that it expects"
    assert "delete" not in steps


def test_by_hand_locust_sees_every_step(serve: Any) -> None:
    server = serve(lambda number: [reply(b"200 OK")])
    env = Environment(user_classes=[Weighted], host=f"http://127.0.0.1:{server.port}", parsed_options=SimpleNamespace())
    runner = env.create_local_runner()
    runner.start(3, spawn_rate=30)
    until(lambda: server.requests >= 60, nap=gevent.sleep)
    runner.stop()
    env.events.quitting.fire(environment=env)
    assert env.stats.num_failures == 0
    assert 0 <= server.requests - env.stats.num_requests <= 3
    assert {name for name, _ in env.stats.entries} == {"often", "seldom"}
    assert server.connections == 3


def test_by_hand_every_user_loads_its_own_host(serve: Any) -> None:
    """Two classes of users with a host each, then the host of the run changed, as the web UI does."""
    servers = [serve(lambda number: [reply(b"200 OK")]) for _ in range(3)]
    hosts = [f"http://127.0.0.1:{server.port}" for server in servers]

    class Here(Weighted):
        host = hosts[0]

    class There(Weighted):
        host = hosts[1]

    class Anywhere(Weighted):
        host = None

    env = Environment(user_classes=[Here, There, Anywhere], host=hosts[2], parsed_options=SimpleNamespace())
    users = [Here(env), There(env), Anywhere(env)]
    assert [user.client.get("/", name="look").ok for user in users] == [True] * 3
    assert [server.requests for server in servers] == [1, 1, 1]
    env.host = hosts[1]
    assert Anywhere(env).client.get("/", name="look").ok
    assert [server.requests for server in servers] == [1, 2, 1]
    env.events.quitting.fire(environment=env)
    assert env.stats.get("look", "GET").num_requests == 4


def test_steps_are_numbered_by_method_and_name() -> None:
    steps = Steps()
    assert [steps.number(*one) for one in (("GET", "a"), ("PUT", "a"), ("GET", "a"))] == [0, 1, 0]
    assert (steps.names, steps.methods) == (["a", "a"], ["GET", "PUT"])


def test_steps_without_names_do_not_grow_without_end() -> None:
    steps = Steps()
    numbers = [steps.number("GET", f"/api/items/{number}") for number in range(MOST + 100)]
    assert max(numbers) == MOST
    assert steps.names[MOST:] == [FURTHER]


@pytest.mark.parametrize(
    ("host", "says"), [("", "name a target: --host"), ("https://127.0.0.1", "TLS is not supported")]
)
def test_by_hand_a_wrong_host_is_an_end_before_the_first_user(
    host: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    options = SimpleNamespace(headless=True, worker=False)
    with pytest.raises(SystemExit) as ended:
        _check_hosts(Environment(user_classes=[EngineUser], host=host, parsed_options=options))
    assert ended.value.code == 2
    assert says in caplog.text


def test_by_hand_a_wrong_host_is_one_clear_line() -> None:
    folder = Path(__file__).parents[2]
    options = ["--headless", "-u", "2", "-t", "5s", "--host", "https://127.0.0.1"]
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", "loadtests/journeys/items.py", *options],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "TLS is not supported" in done.stderr
    assert "Traceback" not in done.stderr
