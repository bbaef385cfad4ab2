"""Nothing outlives a session, however it ends: checked on small real processes, by their ids."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from bench import session as session_module
from bench.model import BenchError
from bench.processes import started_s
from bench.session import Session, Spawned, members, recover, stop_on_signals

HANG_S = 30.0
"""Nothing here takes this long; it only turns a hang into a failure."""
PYTHON = [sys.executable, "-I", "-S", "-c"]
ENV = {"PATH": "/usr/bin:/bin"}
SLEEP = ["sleep", "1000"]

FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if not child:
    grandchild = os.fork()
    if not grandchild:
        time.sleep(1000)
    print(os.getpid(), grandchild, file=sys.stderr, flush=True)
    time.sleep(1000)
print(os.getpid(), child, file=sys.stderr, flush=True)
time.sleep(1000)
"""
"""A process with a child and a grandchild; all ignore SIGTERM and write their ids."""

ORPHANS = """
import os, signal, sys, time
ready, told = os.pipe()
if not os.fork():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(os.getpid(), file=sys.stderr, flush=True)
    os.write(told, b"x")
    time.sleep(1000)
os.read(ready, 1)
"""
"""A process that ends at once and leaves a child behind which ignores SIGTERM."""

LATE = """
import os, signal, sys, time
def again(*_):
    if not os.fork():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(os.getpid(), file=sys.stderr, flush=True)
        time.sleep(1000)
    os._exit(0)
signal.signal(signal.SIGTERM, again)
print(os.getpid(), file=sys.stderr, flush=True)
time.sleep(1000)
"""
"""A process that starts another one when it is told to stop."""

OWNER = """
import sys, time
from pathlib import Path
from bench.session import Session
home, log = Path(sys.argv[1]), Path(sys.argv[2])
with Session(home=home) as session:
    session.spawn([sys.executable, "-I", "-S", "-c", sys.argv[3]], role="app", cwd=home, env={}, log=log)
    session.spawn(["sleep", "1000"], role="front", cwd=home, env={"PATH": "/usr/bin:/bin"}, log=log)
    print(session.scratch, flush=True)
    time.sleep(1000)
"""


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(true: Callable[[], object]) -> None:
    """Waits until `true()`; fails after HANG_S."""
    deadline = time.monotonic() + HANG_S
    while not true():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.005)


def pids(log: Path, count: int) -> set[int]:
    """The ids that processes wrote to their log, once there are `count` of them."""
    until(lambda: log.exists() and len(set(log.read_text().split())) >= count and log.read_text().endswith("\n"))
    return {int(word) for word in log.read_text().split()}


def spawn(session: Session, argv: list[str], log: Path, **how: object) -> Spawned:
    return session.spawn(argv, role="app", cwd=log.parent, env=ENV, log=log, **how)  # type: ignore[arg-type]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "x.log"


@pytest.fixture
def stray() -> Iterator[subprocess.Popen[bytes]]:
    """A process that no session started."""
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


# How a session ends


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("failure", [None, RuntimeError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_however_it_ends(home: Path, log: Path, failure: type[BaseException] | None) -> None:
    found: set[int] = set()
    with contextlib.suppress(*(failure,) if failure else ()), Session(home=home) as session:
        spawned = spawn(session, [*PYTHON, FAMILY], log)
        found = pids(log, 3)
        assert spawned.pid in found
        assert not any(gone(pid) for pid in found)
        scratch = session.scratch
        assert scratch.is_dir()
        assert [path.stem for path in home.iterdir()] == [session.id]
        if failure:
            raise failure
    assert len(found) == 3
    assert all(gone(pid) for pid in found)
    assert not scratch.exists()
    assert list(home.iterdir()) == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("script", [ORPHANS, LATE])
def test_children_that_outlive_their_parent_are_ended_too(home: Path, log: Path, script: str) -> None:
    with Session(home=home) as session:
        first = spawn(session, [*PYTHON, script], log)
        assert pids(log, 1)
        if script is ORPHANS:
            until(lambda: first.exit_code() is not None)
    assert all(gone(pid) for pid in pids(log, 1 if script is ORPHANS else 2))


def test_a_process_that_goes_by_itself_is_not_killed(live: Session, log: Path) -> None:
    polite = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nprint(1, file=sys.stderr)\ntime.sleep(1000)"
    spawned = spawn(live, [*PYTHON, polite], log)
    pids(log, 1)
    live.stop([spawned])
    assert spawned.exit_code() == 7


def test_another_signal_may_be_what_stops_it(live: Session, log: Path) -> None:
    script = "import signal, sys, time\nsignal.signal(signal.SIGINT, lambda *_: sys.exit(9))\nprint(1, file=sys.stderr)\ntime.sleep(1000)"
    spawned = spawn(live, [*PYTHON, script], log, stop_signal=signal.SIGINT)
    pids(log, 1)
    live.stop([spawned])
    assert spawned.exit_code() == 9


def test_stopping_one_leaves_the_others(live: Session, log: Path, home: Path) -> None:
    one, other = (spawn(live, SLEEP, log) for _ in range(2))
    took_s = live.stop([one])
    assert took_s.keys() == {one.pid}
    assert took_s[one.pid] > 0
    assert one.exit_code() == -signal.SIGTERM
    assert other.exit_code() is None
    recorded = json.loads((home / f"{live.id}.json").read_text())
    assert [pid for pid, _ in recorded["processes"]] == [other.pid]
    live.stop([one])
    live.stop([other])
    assert other.exit_code() == -signal.SIGTERM


def test_fronts_stop_before_applications_and_databases_last(
    live: Session, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = ("database", "app", "service", "front", "generator")
    spawned = {live.spawn(SLEEP, role=role, cwd=log.parent, env=ENV, log=log).pid: role for role in roles}
    order: list[str] = []
    kill = os.kill

    def note(pid: int, number: int) -> None:
        order.append(spawned[pid])
        kill(pid, number)

    monkeypatch.setattr(os, "kill", note)
    live.stop(None)
    assert order == ["generator", "front", "app", "service", "database"]


def test_resources_are_released_in_reverse_when_processes_are_gone(home: Path, log: Path) -> None:
    said: list[str] = []

    @contextlib.contextmanager
    def held(name: str) -> Iterator[str]:
        yield name
        said.append(name)

    with Session(home=home) as session:
        assert [session.enter(held(name)) for name in ("a", "b")] == ["a", "b"]
        assert said == []
    assert said == ["b", "a"]


def test_signals_wait_while_it_tears_down(home: Path) -> None:
    seen: list[object] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    @contextlib.contextmanager
    def interrupted() -> Iterator[None]:
        yield
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        seen.append("to the end")

    with Session(home=home) as session:
        session.enter(interrupted())
    assert seen == ["to the end"]
    assert {number: signal.getsignal(number) for number in before} == before


# Starting


def test_output_goes_to_the_log_and_is_appended(live: Session, log: Path) -> None:
    for word in ("one", "two"):
        spawned = spawn(live, [*PYTHON, f"import sys; print('{word}'); print('{word}!', file=sys.stderr)"], log)
        until(lambda one=spawned: one.exit_code() is not None)
    assert sorted(log.read_text().split()) == ["one", "one!", "two", "two!"]


def test_with_pipes_only_errors_go_to_the_log(live: Session, log: Path) -> None:
    script = "import sys; print(sys.stdin.readline().upper(), end=''); print('!', file=sys.stderr)"
    spawned = spawn(live, [*PYTHON, script], log, pipes=True)
    assert spawned.popen.stdin is not None
    assert spawned.popen.stdout is not None
    spawned.popen.stdin.write(b"hello\n")
    spawned.popen.stdin.flush()
    assert spawned.popen.stdout.readline() == b"HELLO\n"
    until(lambda: spawned.exit_code() is not None)
    assert log.read_text() == "!\n"
    live.stop([spawned])
    assert spawned.popen.stdin.closed
    assert spawned.popen.stdout.closed


def test_a_process_leads_a_session_of_its_own_and_sees_only_its_environment(live: Session, log: Path) -> None:
    script = "import os; print(os.getsid(0), os.getpid(), sorted(os.environ))"
    spawned = spawn(live, [*PYTHON, script], log)
    until(lambda: spawned.exit_code() is not None)
    own, pid, *names = log.read_text().split(maxsplit=2)
    assert own == pid == str(spawned.pid)
    assert "FORKLOOP_SESSION" in names[0]
    assert "HOME" not in names[0]


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="no scheduling groups here")
def test_a_new_session_is_as_nice_as_we_are(live: Session, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "nice", lambda more: 7)
    spawned = spawn(live, [*PYTHON, "import time; time.sleep(1000)"], log)
    assert Path(f"/proc/{spawned.pid}/autogroup").read_text().split("nice")[1].strip() == "7"


def test_a_command_that_is_not_there_is_one_clear_line(live: Session, log: Path) -> None:
    with pytest.raises(BenchError, match=r"^cannot start /no/such/server: No such file or directory$"):
        spawn(live, ["/no/such/server", "--x"], log)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins")
def test_pinning_is_inherited_and_does_not_stay_with_us(live: Session, log: Path) -> None:
    before = os.sched_getaffinity(0)
    cpu = max(before)
    script = (
        "import os, sys\nfor _ in range(2):\n"
        "    print(sorted(os.sched_getaffinity(0)), flush=True)\n    if os.fork(): os.wait(); break"
    )
    spawned = spawn(live, [*PYTHON, script], log, cpus={cpu})
    until(lambda: spawned.exit_code() is not None)
    assert log.read_text().splitlines() == [f"[{cpu}]"] * 2
    assert os.sched_getaffinity(0) == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins")
def test_cpus_that_are_not_there_are_named(live: Session, log: Path) -> None:
    with pytest.raises(BenchError, match=r"^cannot pin to CPUs \[1023\]: Invalid argument; this process may use \["):
        spawn(live, SLEEP, log, cpus={1023})


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BenchError, match="cannot keep records of started processes there"),
        Session(home=tmp_path / "file" / "sessions"),
    ):
        pytest.fail("must not begin")


def test_the_scratch_folder_is_short_and_can_be_searched_by_others(live: Session) -> None:
    assert len(str(live.scratch / "12" / "app-127.sock")) <= 107
    assert live.scratch.stat().st_mode & 0o777 == 0o755


# Who belongs to whom


@pytest.mark.usefixtures("impatient")
def test_members_are_the_process_and_all_below_it(live: Session, log: Path) -> None:
    spawned = spawn(live, [*PYTHON, FAMILY], log)
    found = pids(log, 3)
    assert {process.pid for process in members(spawned.pid, spawned.started)} == found


def test_a_recycled_number_has_no_members_of_ours(stray: subprocess.Popen[bytes]) -> None:
    started = started_s(stray.pid)
    assert [one.pid for one in members(stray.pid, started)] == [stray.pid]
    assert members(stray.pid, started - 500.0) == []


# Recovering


def killed_owner(home: Path, log: Path, script: str) -> Path:
    """Has a session in another process killed outright, and returns its scratch folder."""
    home.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(home), str(log), script], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        scratch = Path(owner.stdout.readline().strip())
        pids(log, 3 if script is FAMILY else 1)
        owner.kill()
    return scratch


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("script", [FAMILY, ORPHANS])
def test_what_a_killed_command_left_is_ended_by_the_next_one(home: Path, log: Path, script: str) -> None:
    scratch = killed_owner(home, log, script)
    (record,) = home.iterdir()
    left = {pid for pid, _ in json.loads(record.read_text())["processes"]} | pids(log, 1)
    until(lambda: sum(not gone(pid) for pid in left) == (4 if script is FAMILY else 2))
    assert scratch.is_dir()
    with Session(home=home) as session:
        assert all(gone(pid) for pid in left)
        assert not scratch.exists()
        assert [path.stem for path in home.iterdir()] == [session.id]


@pytest.mark.usefixtures("impatient")
def test_recovering_says_what_it_did_once(home: Path, log: Path) -> None:
    killed_owner(home, log, FAMILY)
    (record,) = home.iterdir()
    assert recover(home) == [f"ended what {record.stem} left behind: 4 processes"]
    assert recover(home) == []


def write(home: Path, processes: list[list[float]], scratch: Path | str = "") -> Path:
    home.mkdir(exist_ok=True)
    path = home / "20260101-000000-abcd.json"
    path.write_text(json.dumps({"id": path.stem, "scratch": str(scratch), "processes": processes}))
    return path


def test_a_recycled_number_is_not_touched(home: Path, stray: subprocess.Popen[bytes]) -> None:
    path = write(home, [[stray.pid, started_s(stray.pid) - 1000]])
    assert recover(home) == [f"ended what {path.stem} left behind: 0 processes"]
    assert stray.poll() is None
    assert not path.exists()


def test_what_was_started_and_not_recorded_yet_is_ended_too(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner was killed right then; the scratch folder is known by its marker."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    scratch = tmp_path / "forkloop-x"
    scratch.mkdir()
    path = write(home, [])
    path.write_text("")
    (scratch / ".session").write_text(path.stem)
    begun = [subprocess.Popen(SLEEP, env={**ENV, "FORKLOOP_SESSION": name}) for name in (path.stem, f"{path.stem}x")]
    try:
        assert recover(home) == [f"ended what {path.stem} left behind: 1 processes"]
        assert [gone(one.pid) for one in begun] == [True, False], "another session's lives on"
    finally:
        for one in begun:
            one.kill()
            one.wait()
    assert not scratch.exists()


def test_a_record_is_read_whatever_of_an_older_one_stands_behind_it(home: Path, stray: subprocess.Popen[bytes]) -> None:
    path = write(home, [[stray.pid, started_s(stray.pid)]])
    path.write_text(path.read_text() + '1, 123.5]], "projects": {}}')
    assert recover(home) == [f"ended what {path.stem} left behind: 1 processes"]
    assert gone(stray.pid)


def test_a_shorter_record_takes_the_place_of_a_longer_one(home: Path, live: Session) -> None:
    path = home / f"{live.id}.json"
    spawned = spawn(live, SLEEP, home / "x.log")
    longer = path.read_text()
    live.stop([spawned])
    assert json.loads(path.read_text())["processes"] == []
    assert len(path.read_text()) < len(longer)


def test_a_living_owners_record_is_not_touched(home: Path, stray: subprocess.Popen[bytes]) -> None:
    path = write(home, [[stray.pid, started_s(stray.pid)]])
    with path.open() as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        assert recover(home) == []
    assert stray.poll() is None
    assert path.exists()


@pytest.mark.parametrize("text", ["", '{"id": "x", "scr', "[]", '{"scratch": "/", "processes": [["x", 1]]}', "null"])
def test_a_record_that_was_cut_off_names_nothing(home: Path, text: str) -> None:
    path = write(home, [])
    path.write_text(text)
    assert recover(home) == [f"ended what {path.stem} left behind: 0 processes"]
    assert not path.exists()


def test_only_a_scratch_folder_of_ours_is_removed(home: Path, tmp_path: Path) -> None:
    session = write(home, []).stem
    for name, marker in (("other-x", session), ("forkloop-x", None), ("forkloop-y", "20260101-000000-ffff")):
        folder = tmp_path / name
        folder.mkdir()
        if marker:
            (folder / ".session").write_text(marker)
        write(home, [], folder)
        assert len(recover(home)) == 1
        assert folder.is_dir(), name
    ours = tmp_path / "forkloop-z"  # wherever TMPDIR led then
    ours.mkdir()
    (ours / ".session").write_text(session)
    write(home, [], ours)
    recover(home)
    assert not ours.exists()


def test_a_project_that_cannot_be_removed_is_tried_again_by_the_next_command(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    engine = {"works": False}

    def docker(variables: Mapping[str, str], *arguments: str) -> str:
        asked.append(arguments)
        if not engine["works"]:
            raise OSError("no engine")
        return ""

    monkeypatch.setattr(session_module, "_docker", docker)
    with Session(home=home) as session:
        session.own_project("forkloop-1", {})
    (record,) = home.iterdir()
    said = recover(home)
    assert said[-1] == f"but not forkloop-1: the next command tries again; to give it up, delete {record}"
    assert record.exists()
    engine["works"] = True
    asked.clear()
    assert recover(home) == [f"ended what {record.stem} left behind: 0 processes"]
    assert [arguments[:2] for arguments in asked] == [("ps", "-aq"), ("network", "ls"), ("volume", "ls")]
    assert list(home.iterdir()) == []


def test_a_hang_up_that_is_ignored_stays_so() -> None:
    """As under nohup."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        stop_on_signals()
        signal.raise_signal(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        stop_on_signals()
        with pytest.raises(KeyboardInterrupt, match="SIGHUP"):
            signal.raise_signal(signal.SIGHUP)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_recovering_where_no_session_ever_was(home: Path) -> None:
    assert recover(home) == []


def test_two_sessions_do_not_touch_each_other(home: Path, tmp_path: Path) -> None:
    with Session(home=home) as first:
        one = spawn(first, SLEEP, tmp_path / "1")
        with Session(home=home) as second:
            other = spawn(second, SLEEP, tmp_path / "2")
            assert first.id != second.id
            assert first.scratch != second.scratch
            assert len(list(home.iterdir())) == 2
        assert other.exit_code() == -signal.SIGTERM
        assert one.exit_code() is None
        assert first.scratch.is_dir()
    assert one.exit_code() == -signal.SIGTERM
    assert list(home.iterdir()) == []


def test_the_processes_of_one_role_are_ended_and_the_others_run_on(live: Session, log: Path) -> None:
    app, generator = (live.spawn(SLEEP, role=role, cwd=log.parent, env=ENV, log=log) for role in ("app", "generator"))  # type: ignore[arg-type]
    live.end("generator")
    assert generator.exit_code() == -signal.SIGTERM
    assert app.exit_code() is None


def test_a_session_that_just_begins_is_not_taken_for_an_abandoned_one(
    home: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another command's `recover` may run at any moment between the making of the record and its lock."""
    flock = fcntl.flock

    def late(file: object, how: int) -> None:
        if not how & fcntl.LOCK_NB:
            monkeypatch.setattr(session_module, "fcntl", SimpleNamespace(**{**vars(fcntl), "flock": flock}))
            recover(home)
        flock(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(session_module, "fcntl", SimpleNamespace(**{**vars(fcntl), "flock": late}))
    with Session(home=home) as session:
        assert [path.stem for path in home.glob("*.json")] == [session.id]


# Signals


def test_sigterm_and_sighup_end_the_command_as_ctrl_c_does() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        stop_on_signals()
        for number in before:
            with pytest.raises(KeyboardInterrupt, match=number.name):
                signal.raise_signal(number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system tells times of day only")
def test_a_process_is_known_again_after_the_clock_was_set(stray: subprocess.Popen[bytes]) -> None:
    """Times of day move with the clock; what a process is known by does not: it counts from the machine's start."""
    with Path("/proc/uptime").open() as file:
        uptime_s = float(file.read().split()[0])
    assert 0 < started_s(stray.pid) <= uptime_s
    with pytest.raises(psutil.NoSuchProcess):
        started_s(2**27)
