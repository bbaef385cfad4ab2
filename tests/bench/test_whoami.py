"""Asking who answers, over real sockets: every fresh connection counts once, and what is no answer counts nowhere."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import whoami
from bench.render import Endpoint

GOOD = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"pid": 71%d}\n'
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n{"pid": 9%d}\r\n0\r\n\r\n'
WRONG = (b"HTTP/1.1 500 Oops\r\n\r\n", b'HTTP/1.1 200 OK\r\n\r\n{"name": "x"}', b"", b'HTTP/1.1 200 OK\r\n\r\n["pid"]')


class Crowd:
    """Accepts all connections before it answers any: only who asks on all of them at once gets an answer."""

    def __init__(self, answers: list[bytes], listener: socket.socket) -> None:
        self.heard: list[bytes] = []
        self._answers = answers
        self._listener = listener
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        accepted = [self._listener.accept()[0] for _ in self._answers]
        for one, answer in zip(accepted, self._answers, strict=True):
            self.heard.append(one.recv(65536))
            one.sendall(answer)
            one.close()

    def end(self) -> None:
        self._thread.join(30)
        self._listener.close()


@pytest.fixture
def crowd() -> Iterator[Callable[..., Crowd]]:
    made: list[Crowd] = []

    def make(answers: list[bytes], listener: socket.socket) -> Crowd:
        made.append(Crowd(answers, listener))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_answers_are_counted_by_process(crowd: Callable[..., Crowd], kind: str, tmp_path: Path) -> None:
    if kind == "tcp":
        listener = socket.create_server(("127.0.0.1", 0))
        endpoint = Endpoint(host="127.0.0.1", port=listener.getsockname()[1])
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        endpoint = Endpoint(host="127.0.0.1", port=0, socket=tmp_path / "s")
    one = crowd([GOOD % 1, GOOD % 2, CHUNKED % 3, GOOD % 1, *WRONG], listener)
    assert whoami.answering(endpoint, 8) == Counter({711: 2, 712: 1, 93: 1})
    one.end()
    assert {text.split(b"\r\n")[0] for text in one.heard} == {b"GET /whoami HTTP/1.1"}


def test_nobody_there_is_nobody_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert whoami.answering(Endpoint(host="127.0.0.1", port=port), 3) == Counter()


def test_who_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whoami, "PATIENCE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert whoami.answering(Endpoint(host="127.0.0.1", port=silent.getsockname()[1]), 2) == Counter()
