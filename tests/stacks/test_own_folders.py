"""A framework and a server that somebody adds: two folders, nothing else, and they go through the main job."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from bench import catalog, environments, provenance, request, run, skeleton
from bench.catalog import ROOT
from bench.console import Progressing
from bench.store import read_run

SERVER = """
title = "wsgiref, forked"
description = "The standard library's server, a process for each worker on one socket."
source = "https://docs.python.org/3/library/wsgiref.html"
accepts = ["wsgi"]
speaks = "http"
bind = { tcp = "{host}:{port}" }
model = "sync"
omits = ["chunked-request"]
restart = "None."

[workers]
rule = "2"
processes = "workers + 1"

[[process]]
role = "app"
argv = ["python", "{runners}/run_forked.py", "{bind}", "{workers}", "{target}"]
"""
RUNNER = """
import os, signal, sys
from importlib import import_module
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

class Quiet(WSGIRequestHandler):
    def log_message(self, *_): pass

bind, workers, target = sys.argv[1:]
sys.path[0] = os.getcwd()
host, _, port = bind.rpartition(":")
WSGIServer.request_queue_size = 1024
server = WSGIServer((host, int(port)), Quiet)
module, _, name = target.partition(":")
server.set_app(getattr(import_module(module), name))
children = []
for _ in range(int(workers)):
    if not (pid := os.fork()):
        server.serve_forever()
    children.append(pid)

def end(*_):
    for pid in children: os.kill(pid, signal.SIGKILL)
    os._exit(0)

signal.signal(signal.SIGTERM, end)
os.wait()
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with nothing in it but the project's scenarios and fronts."""
    made = tmp_path / "checkout"
    (made / "loadtests").mkdir(parents=True)
    (made / "loadtests" / "scenarios").symlink_to(ROOT / "loadtests" / "scenarios")
    (made / "apps").mkdir()
    (made / "apps" / "CONTRACT.md").symlink_to(ROOT / "apps" / "CONTRACT.md")
    (made / "deploy" / "runners").mkdir(parents=True)
    (made / "deploy" / "fronts").symlink_to(ROOT / "deploy" / "fronts")
    monkeypatch.setattr(environments, "HOME", tmp_path / "envs")
    return made


def test_an_application_and_a_server_of_ones_own(root: Path, tmp_path: Path) -> None:
    skeleton.app(root, "sunflower", "wsgi")
    manifest = root / "apps" / "sunflower" / "app.toml"
    manifest.write_text(manifest.read_text().replace("gunicorn-sync/nginx", "forked/nginx"))
    (root / "deploy" / "servers" / "forked").mkdir(parents=True)
    (root / "deploy" / "servers" / "forked" / "server.toml").write_text(SERVER)
    (root / "deploy" / "runners" / "run_forked.py").write_text(RUNNER)

    found = catalog.load(root)
    environments.prepare(found, found.apps.values(), lambda _: None)
    made = request.fresh(
        found, profile="smoke", stacks=["sunflower/forked/nginx", "sunflower/forked/direct"], scenarios=["plaintext", "db"],
        mode="native", seed=1,
    )  # fmt: skip
    outcome = run.Outcome()
    with Progressing({}, console=Console(file=io.StringIO())) as progress:
        run.execute(
            made, results=tmp_path / "results", command="bench run", progress=progress, outcome=outcome,
            hashes=provenance.hashes(found, made.stacks, made.scenarios),
        )  # fmt: skip
    assert outcome.folder is not None
    stored = read_run(outcome.folder)
    assert {stack: one["status"] for stack, one in stored.header["verified"].items()} == {
        "sunflower/forked/nginx": "passed", "sunflower/forked/direct": "passed",
    }  # fmt: skip
    by_scenario = {
        one["scenario"]: one
        for one in stored.trials
        if one["stack"] == "sunflower/forked/nginx" and one["view"] == "capacity"
    }
    assert by_scenario["plaintext"]["status"] == "measured", by_scenario["plaintext"]["reason"]
    assert by_scenario["plaintext"]["processes"]["app"] == 3
    assert by_scenario["plaintext"]["errors"] == {}
    assert (by_scenario["db"]["status"], by_scenario["db"]["reason"]) == ("skipped", "Sunflower has no db")
