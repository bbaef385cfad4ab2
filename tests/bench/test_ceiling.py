"""The null server answers what a stack answered, byte for byte, whatever the query; what cannot be stored is named."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from made_stacks import budget

from bench import ceiling
from bench.launch import free_port, nginx_user
from bench.machine import find_nginx
from bench.model import BenchError
from bench.render import Endpoint
from bench.session import Session

BODY = b'{"price": "$5", "quoted": "\\"yes\\""}'


class Stack(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/json?n=3" else 500)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def stack() -> Iterator[Endpoint]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stack) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Endpoint(host="127.0.0.1", port=server.server_address[1])
        server.shutdown()


@pytest.mark.services
def test_it_answers_as_the_stack_did(stack: Endpoint, tmp_path: Path) -> None:
    with Session(home=tmp_path / "home") as session:
        null = ceiling.start(
            session, budget(), nginx=str(find_nginx().path), source=stack, paths={"/json": "/json?n=3", "/broken": "/broken"},
            port=free_port(), user=nginx_user(), log=tmp_path / "log",
        )  # fmt: skip
        assert null.paths == {"/json"}
        assert null.failed == {"/broken": "status 500"}
        for query in ("?n=3", ""):
            answer = httpx.get(f"{null.endpoint.url}/json{query}")
            assert (answer.status_code, answer.content) == (200, BODY)
            assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert httpx.get(f"{null.endpoint.url}/broken").status_code == 404
    with pytest.raises(httpx.ConnectError):
        httpx.get(null.endpoint.url)


def test_without_any_answer_there_is_none(stack: Endpoint, tmp_path: Path) -> None:
    with Session(home=tmp_path / "home") as session, pytest.raises(BenchError, match="no stack's answer"):
        ceiling.start(
            session,
            budget(),
            nginx="nginx",
            source=stack,
            paths={"/broken": "/broken"},
            port=1,
            user=None,
            log=tmp_path / "log",
        )


@pytest.mark.services
def test_an_nginx_that_does_not_start_is_named(stack: Endpoint, tmp_path: Path) -> None:
    with Session(home=tmp_path / "home") as session, pytest.raises(BenchError, match="did not come up: see"):
        ceiling.start(
            session, budget(), nginx="/bin/false", source=stack, paths={"/json": "/json?n=3"}, port=free_port(), user=None,
            log=tmp_path / "log",
        )  # fmt: skip
