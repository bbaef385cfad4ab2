"""Reports over HTTP: this folder and nothing else, for this machine alone, never written; reloaded only while the run goes on."""

import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.model import BenchError
from bench.viewer import Viewer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "results"
    for name, status in (("done", "finished"), ("going", "running"), ("begun", "running")):
        (root / name / "report").mkdir(parents=True)
        (root / name / "run.json").write_text(json.dumps({"status": status}))
        (root / name / "trials.jsonl").write_text("{}\n")
        (root / name / ".lock").touch()
        if name != "begun":
            (root / name / "report" / "index.html").write_text(f"<p>{name}</p>")
    (root / "index.html").write_text("<p>all runs</p>")
    (root / "latest").symlink_to("done")
    (root / "out").symlink_to(tmp_path)
    return root


@pytest.fixture
def viewer(root: Path) -> Iterator[Viewer]:
    with Viewer(root) as one:
        yield one


def ask(viewer: Viewer, path: str, method: str = "GET", host: str | None = None) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", viewer.port, timeout=10)
    try:
        connection.request(method, path, headers={"Host": host or f"127.0.0.1:{viewer.port}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), {key.title(): value for key, value in answer.headers.items()}
    finally:
        connection.close()


def test_pages_and_data_are_served_with_fitting_types(viewer: Viewer, root: Path) -> None:
    assert viewer.url() == f"http://127.0.0.1:{viewer.port}/"
    assert viewer.url(root / "done") == f"http://127.0.0.1:{viewer.port}/done/report/index.html"
    for path, body in (
        ("/", "<p>all runs</p>"),
        ("/done/report/index.html", "<p>done</p>"),
        ("/latest/report/", "<p>done</p>"),
    ):
        status, text, headers = ask(viewer, path)
        assert (status, text, headers["Content-Type"]) == (200, body, "text/html; charset=utf-8")
    assert ask(viewer, "/done/trials.jsonl")[2]["Content-Type"] == "text/plain; charset=utf-8"
    assert ask(viewer, "/done/report/index.html", "HEAD")[1] == ""


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt", "/%2e%2e/secret.txt", "/done/../../secret.txt", "/..%2fsecret.txt", "//../secret.txt", "/out/secret.txt",
        "/out/", "/done/.lock", "/done/%2elock", "/nothing", "/%00",
    ],
)  # fmt: skip
def test_nothing_outside_the_folder_and_nothing_hidden_is_served(viewer: Viewer, path: str) -> None:
    status, text, _ = ask(viewer, path)
    assert status == 404
    assert "secret" not in text.replace("secret.txt", "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_written(viewer: Viewer, root: Path, method: str) -> None:
    before = sorted(root.rglob("*"))
    assert ask(viewer, "/done/new.txt", method)[0] == 501
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example:1", "x"])
def test_a_name_that_was_made_to_lead_here_is_refused(viewer: Viewer, host: str) -> None:
    assert ask(viewer, "/", host=host)[0] == 403
    assert ask(viewer, "/", host=f"localhost:{viewer.port}")[0] == 200


def test_only_a_run_that_goes_on_is_reloaded(viewer: Viewer, root: Path) -> None:
    assert "Refresh" not in ask(viewer, "/done/report/index.html")[2]
    assert "Refresh" not in ask(viewer, "/going/trials.jsonl")[2]
    assert int(ask(viewer, "/going/report/index.html")[2]["Refresh"]) > 0
    status, text, headers = ask(viewer, "/begun/report/index.html")
    assert (status, "Refresh" in headers) == (200, True)
    assert "first block is not over" in text


def test_a_run_that_has_just_ended_is_reloaded_until_its_last_report_is_there(viewer: Viewer, root: Path) -> None:
    page, header = root / "going" / "report" / "index.html", root / "going" / "run.json"
    os.utime(page, (header.stat().st_mtime - 60,) * 2)
    header.write_text(json.dumps({"status": "finished"}))
    assert "Refresh" in ask(viewer, "/going/report/index.html")[2]
    page.write_text("<p>the last</p>")
    os.utime(page, (header.stat().st_mtime + 1,) * 2)
    _, text, headers = ask(viewer, "/going/report/index.html")
    assert (text, "Refresh" in headers) == ("<p>the last</p>", False)
    os.utime(page, (0, 0))
    os.utime(header, (60, 60))
    assert "Refresh" not in ask(viewer, "/going/report/index.html")[2], "its last report never came"


def test_who_watches_a_run_sees_its_last_report_before_the_server_goes(viewer: Viewer, root: Path) -> None:
    waiting = threading.Thread(target=viewer.linger)
    waiting.start()
    waiting.join(10)
    assert not waiting.is_alive(), "nobody watched"
    ask(viewer, "/going/report/index.html")
    waiting = threading.Thread(target=viewer.linger)
    waiting.start()
    assert waiting.is_alive()
    while waiting.is_alive():  # it may not have begun to wait when the first of these comes
        ask(viewer, "/done/report/index.html")
        waiting.join(0.3)


def test_it_listens_on_loopback_alone_and_gives_the_port_back(root: Path) -> None:
    with Viewer(root) as one:
        port = one.port
        with pytest.raises(BenchError, match=f"port {port} on 127.0.0.1 cannot be had"):
            Viewer(root, port=port)
        assert one._server.server_address[0] == "127.0.0.1"
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))


def test_a_port_that_is_none_is_one_line(root: Path) -> None:
    with pytest.raises(BenchError, match="port 99999"):
        Viewer(root, port=99999)
