"""`bench load`, `bench duet`, `bench load-worker` and `bench slices`: each option reaches what is below under its own name."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import test_cli

from bench import cli, plan, slices, solo
from bench.solo import compare, single

bench = test_cli.bench
Call = Callable[..., test_cli.Done]
URL, OTHER = "http://127.0.0.1:8001/a", "http://127.0.0.1:8002/b"
FLASK, AIOHTTP = "flask/gunicorn-sync/direct", "aiohttp/single/direct"


class Below:
    """In the place of bench.solo: `asked` is what each function was given, `found` what load and duet answer with."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.found: dict[str, Any] = {
            "stopped": False,
            "failure": None,
            "requests": 7,
            "targets": [{"requests": 7}, {"requests": 8}],
        }
        self.code = 0
        self.invitation: str | None = None

    def takes(self, name: str, answer: Callable[[], Any]) -> Callable[..., Any]:
        def take(*given: Any, **how: Any) -> Any:
            self.asked.append((name, given, how))
            return answer()

        return take

    def one(self, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        ((given, how),) = [(given, how) for asked, given, how in self.asked if asked == name]
        return given, how


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Below:
    made = Below()
    for name in ("load", "duet"):
        monkeypatch.setattr(solo, name, made.takes(name, lambda: made.found))
    monkeypatch.setattr(solo, "help_out", made.takes("help_out", lambda: made.code))
    monkeypatch.setattr(solo, "choose", made.takes("choose", lambda: "those chosen"))
    monkeypatch.setattr(solo, "invitation", made.takes("invitation", lambda: made.invitation))
    monkeypatch.setattr(single, "text", lambda url, found: f"{url} [b]as text[/b]")
    monkeypatch.setattr(compare, "text", lambda found, *, started: f"as text, started: {started}")
    return made


# Who loads: the same options of `bench load` and `bench duet`

CHOSEN: dict[str, Any] = {"remote": 0, "bind": None, "port": 5557}
GENERATORS: list[tuple[tuple[str, ...], str | None, dict[str, Any]]] = [
    ((), None, {}),
    (("--load-cpus", "2-5"), "2-5", {}),
    (("--remote-workers", "3"), None, {"remote": 3}),
    (("--bind", "10.0.0.1"), None, {"bind": "10.0.0.1"}),
    (("--port", "6000"), None, {"port": 6000}),
    (
        ("--load-cpus", "1", "--remote-workers", "2", "--bind", "10.0.0.1", "--port", "6000"), "1",
        {"remote": 2, "bind": "10.0.0.1", "port": 6000},
    ),
]  # fmt: skip


@pytest.mark.parametrize("command", [("load", URL), ("duet", URL, OTHER)], ids=["load", "duet"])
@pytest.mark.parametrize(("words", "cpus", "changes"), GENERATORS, ids=[" ".join(one[0]) for one in GENERATORS])
def test_who_loads_is_chosen_from_four_options(
    bench: Call, below: Below, command: tuple[str, ...], words: tuple[str, ...], cpus: str | None, changes: dict[str, Any]
) -> None:  # fmt: skip
    done = bench(*command, *words)
    assert (done.code, done.err) == (0, "")
    assert below.one("choose") == ((cpus,), {**CHOSEN, **changes})
    assert below.one("invitation") == (("those chosen",), {})
    assert below.one(command[0])[1]["generators"] == "those chosen"


@pytest.mark.parametrize("command", [("load", URL), ("duet", URL, OTHER)], ids=["load", "duet"])
def test_whoever_is_waited_for_is_named_on_standard_error(bench: Call, below: Below, command: tuple[str, ...]) -> None:
    below.invitation = "waiting for 1 worker"
    done = bench(*command, "--json")
    assert done.err == "bench: waiting for 1 worker\n"
    assert json.loads(done.out) == below.found


# bench load

BESIDE: dict[str, Any] = dict.fromkeys(
    ("text", "path", "method", "rate_bytes_s", "bytes", "receive_buffer_bytes", "ramp_s", "settle_s", "finish_s")
)
LOAD: dict[str, Any] = {
    "connections": None, "rate_rps": None, "seconds": 10.0, "unix": None, "timeout_s": 10.0, "allowed": (), "arrivals": "poisson",
    "think_s": 0.0, "rate_stages": None, "connection_stages": None, "beside": BESIDE, "generators": "those chosen",
}  # fmt: skip
"""What `bench load` asks for without a word."""


def beside(**changes: Any) -> dict[str, Any]:
    return {"beside": {**BESIDE, **changes}}


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("", {}),
        ("--connections 12", {"connections": 12}),
        ("--rate 250.5", {"rate_rps": 250.5}),
        ("--seconds 3", {"seconds": 3.0}),
        ("--arrivals constant", {"arrivals": "constant"}),
        ("--rate-stages 100x5,100..500x10", {"rate_stages": "100x5,100..500x10"}),
        ("--connection-stages 8x5,8..64x10", {"connection_stages": "8x5,8..64x10"}),
        ("--think-ms 250", {"think_s": 0.25}),
        ("--unix /run/app.sock", {"unix": Path("/run/app.sock")}),
        ("--timeout 2.5", {"timeout_s": 2.5}),
        ("--allow-host db.lan --allow-host web.lan", {"allowed": ("db.lan", "web.lan")}),
        ("--beside readers=64", beside(text="readers=64")),
        ("--beside-path /big", beside(path="/big")),
        ("--beside-method POST", beside(method="POST")),
        ("--beside-rate 100", beside(rate_bytes_s=100.0)),
        ("--beside-bytes 65536", beside(bytes=65536)),
        ("--beside-buffer 8192", beside(receive_buffer_bytes=8192)),
        ("--beside-ramp 1.5", beside(ramp_s=1.5)),
        ("--beside-settle 2.5", beside(settle_s=2.5)),
        ("--beside-finish 3.5", beside(finish_s=3.5)),
    ],
)
def test_each_option_of_load_reaches_the_loader_under_its_own_name(
    bench: Call, below: Below, words: str, changes: dict[str, Any]
) -> None:
    done = bench("load", URL, *words.split())
    assert (done.code, done.out, done.err) == (0, f"{URL} [b]as text[/b]\n", "")
    assert below.one("load") == ((URL,), {**LOAD, **changes})


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ({"stopped": False, "requests": 1}, 0),
        ({"stopped": False, "requests": 0}, 1),
        ({"stopped": True, "requests": 5}, 130),
        ({"stopped": True, "requests": 0}, 130),
    ],
)
def test_a_load_without_an_answer_or_stopped_early_has_an_exit_code_of_its_own(
    bench: Call, below: Below, found: dict[str, Any], code: int
) -> None:
    below.found = found
    done = bench("load", URL, "--json")
    assert (done.code, json.loads(done.out)) == (code, found)


# bench duet

DUET: dict[str, Any] = {
    "connections": None, "seconds": 20.0, "slice_ms": 100.0, "timeout_s": 10.0, "margin": 0.02, "allowed": (), "commands": (),
    "generators": "those chosen",
}  # fmt: skip
"""What `bench duet` asks for without a word."""


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ((), {}),
        (("--seconds", "4"), {"seconds": 4.0}),
        (("--connections", "12"), {"connections": 12}),
        (("--slice-ms", "1000"), {"slice_ms": 1000.0}),
        (("--margin", "5%"), {"margin": 0.05}),
        (("--margin", "0.05"), {"margin": 0.05}),
        (("--timeout", "2.5"), {"timeout_s": 2.5}),
        (("--start", "serve --port 1", "--start", "serve --port 2"), {"commands": ("serve --port 1", "serve --port 2")}),
        (("--allow-host", "db.lan"), {"allowed": ("db.lan",)}),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)  # fmt: skip
def test_each_option_of_duet_reaches_the_comparison_under_its_own_name(
    bench: Call, below: Below, words: tuple[str, ...], changes: dict[str, Any]
) -> None:
    done = bench("duet", URL, OTHER, *words)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"as text, started: {'commands' in changes}\n"
    given, how = below.one("duet")
    assert given == ((URL, OTHER),)
    assert how == {**DUET, **changes}


@pytest.mark.parametrize("margin", ["wide", "", "%", "2%%"])
def test_a_margin_that_is_no_share_is_one_line(bench: Call, below: Below, margin: str) -> None:
    done = bench("duet", URL, OTHER, "--margin", margin)
    assert (done.code, done.err) == (2, f"bench: --margin {margin}: expected a share such as 2% or 0.02\n")
    assert below.asked == []


@pytest.mark.parametrize(
    ("stopped", "requests", "code"), [(False, (1, 2), 0), (False, (1, 0), 1), (False, (0, 0), 1), (True, (1, 0), 130)]
)
def test_a_comparison_in_which_one_gave_no_answer_has_failed(
    bench: Call, below: Below, stopped: bool, requests: tuple[int, int], code: int
) -> None:
    below.found = {"stopped": stopped, "failure": None, "targets": [{"requests": one} for one in requests]}
    done = bench("duet", URL, OTHER, "--json")
    assert (done.code, json.loads(done.out)) == (code, below.found)


def test_a_comparison_that_ended_since_a_later_start_failed_has_failed(bench: Call, below: Below) -> None:
    below.found |= {"failure": "serve: does not listen on port 1"}
    done = bench("duet", URL, OTHER, "--start", "serve --port 1", "--start", "serve --port 2", "--json")
    assert (done.code, json.loads(done.out)) == (1, below.found)


# bench load-worker

WORKER: dict[str, Any] = {"port": 5557, "load_cpus": None, "allowed": (), "patience_s": 600.0, "once": False}
"""What `bench load-worker` asks for without a word but its master."""


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("", {}),
        ("--port 6000", {"port": 6000}),
        ("--load-cpus 2-5", {"load_cpus": "2-5"}),
        ("--allow-host db.lan /run/app.sock", {"allowed": ("db.lan", "/run/app.sock")}),
        ("--patience 20", {"patience_s": 20.0}),
        ("--once", {"once": True}),
    ],
)
def test_each_option_of_a_worker_reaches_it_under_its_own_name(
    bench: Call, below: Below, words: str, changes: dict[str, Any]
) -> None:
    below.code = 3
    done = bench("load-worker", "--master", "10.0.0.1", *words.split())
    assert (done.code, done.err) == (3, "")
    given, how = below.one("help_out")
    how.pop("say")("[b]job 1[/b]")
    assert (given, how) == (("10.0.0.1",), {**WORKER, **changes})


def test_a_worker_without_a_master_is_not_started(bench: Call, below: Below) -> None:
    done = bench("load-worker")
    assert done.code == 2
    assert "--master" in done.out + done.err
    assert below.asked == []


# bench slices

STUDY: dict[str, Any] = {
    "lengths_ms": (25, 50, 100, 250, 500, 3000), "seconds": 3.0, "rounds": 6, "connections": plan.CONNECTIONS, "seed": 1,
}  # fmt: skip
"""What `bench slices` asks for without a word."""


@pytest.fixture
def studied(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """In the place of the study and of the analysis: what each was given."""
    made: list[dict[str, Any]] = []

    def study(stacks: Any, scenario: Any, *, say: Callable[[str], None], **how: Any) -> None:
        say("[b]round 1[/b]")
        made.append({"stacks": [one.id for one in stacks], "scenario": scenario.name, **how})

    def run(argv: list[str], **how: Any) -> Any:
        made.append({"argv": argv, **how})
        return SimpleNamespace(returncode=4)

    monkeypatch.setattr(slices, "study", study)
    monkeypatch.setattr(cli.loading, "subprocess", SimpleNamespace(run=run))
    return made


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("", {}),
        ("--scenario json", {"scenario": "json"}),
        ("--lengths-ms 50 1000.5", {"lengths_ms": (50.0, 1000.5)}),
        ("--rounds 2", {"rounds": 2}),
        ("--seconds 5", {"seconds": 5.0}),
        ("--connections 12", {"connections": 12}),
        ("--seed 9", {"seed": 9}),
    ],
)
def test_each_option_of_slices_reaches_the_study_under_its_own_name_and_the_analysis_answers(
    bench: Call, studied: list[dict[str, Any]], tmp_path: Path, words: str, changes: dict[str, Any]
) -> None:
    done = bench("slices", f"{FLASK},{AIOHTTP}", "--results", str(tmp_path), *words.split())
    assert (done.code, done.out, done.err) == (4, "[b]round 1[/b]\n", "")
    asked, answered = studied
    folder = asked.pop("folder")
    assert folder.parent == tmp_path
    assert folder.name.startswith("slices-")
    assert asked == {"stacks": [FLASK, AIOHTTP], "scenario": "db", **STUDY, **changes}
    assert answered["argv"] == [sys.executable, "-m", "analysis", "slices", str(folder)]


def test_slices_of_no_stack_in_particular_are_of_the_default_ones(
    bench: Call, studied: list[dict[str, Any]], tmp_path: Path
) -> None:
    bench("slices", "--results", str(tmp_path))
    found = cli.base.catalog.load()
    assert studied[0]["stacks"] == [one.id for one in found.stacks.values() if "default" in one.tags]


@pytest.mark.parametrize("words", [("defualt",), ("default", "--scenario", "bd")])
def test_slices_of_what_is_not_there_are_one_line(
    bench: Call, studied: list[dict[str, Any]], tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = bench("slices", *words, "--results", str(tmp_path))
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "Did you mean" in done.err
    assert studied == []
