"""What one command has running: every process it started, and its scratch folder, so that nothing outlives it, however it ends.

A session is recorded in a file as it goes. A command that was killed outright leaves that file behind without its lock; the next command
finds it, ends what still runs, by recorded process id *and* start time or the session's id in its environment, never by name, and removes
the scratch folder.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from bench.catalog import ROOT
from bench.model import BenchError, Role
from bench.processes import Table, started_s, table

HOME = ROOT / ".forkloop" / "sessions"
TAG = "FORKLOOP_SESSION"
TERM_GRACE_S = 2.0
"""How long a process gets between the request to stop and SIGKILL: all must be down within 5 s."""
KILL_GRACE_S = 3.0
"""How long it is waited for after SIGKILL, which nothing can refuse but a busy machine can put off."""
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(kw_only=True)
class Spawned:
    """A process group that this session started; `pid` leads it."""

    pid: int
    started: float
    """See `started_s`."""
    role: Role
    argv: tuple[str, ...]
    log: Path
    popen: subprocess.Popen[bytes] = field(repr=False)
    stop_signal: signal.Signals = signal.SIGTERM
    began: float = field(default_factory=time.monotonic)
    """On the monotonic clock."""

    def exit_code(self) -> int | None:
        """The leader's exit code, None while it runs."""
        return self.popen.poll()


PREFIX, MARKER = "forkloop-", ".session"
"""A scratch folder's name begins like this, and a file in it holds the session's id."""


class Session:
    """Use as a context manager: at its end every process is gone and the scratch folder with it."""

    def __init__(self, *, home: Path = HOME) -> None:
        self.id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        self._home = home
        self._path = home / f"{self.id}.json"
        self._spawned: list[Spawned] = []
        self._stack = contextlib.ExitStack()
        self._projects: dict[str, Mapping[str, str]] = {}
        self._recording = threading.Lock()
        self.scratch = Path()

    def __enter__(self) -> "Session":
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            recover(self._home)
            # Named as a record only once it is locked: another command may be looking for abandoned ones right now.
            unnamed = self._path.with_suffix(".new")
            self._lock = self._stack.enter_context(unnamed.open("w+", encoding="utf-8"))
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            unnamed.replace(self._path)
        except OSError as error:
            raise BenchError(
                f"{self._home}: cannot keep records of started processes there: {error.strerror}"
            ) from None
        self._stack.callback(self._forget)
        # Short, since the path of a unix socket has at most 107 bytes; open to all for searching, since nginx's workers
        # and an embedded PostgreSQL run as another user when we are root.
        self.scratch = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.scratch.chmod(0o755)
        (self.scratch / MARKER).write_text(self.id, encoding="utf-8")
        self._stack.callback(shutil.rmtree, self.scratch, ignore_errors=True)
        self._record()
        _become_subreaper()
        self._stack.callback(self.stop, None)
        return self

    def __exit__(self, *exc: object) -> None:
        with _signals_held():
            self._stack.close()

    def spawn(
        self, argv: Sequence[str], *, role: Role, cwd: Path, env: Mapping[str, str], log: Path,
        cpus: Collection[int] = (), user: int | None = None, group: int | None = None,
        stop_signal: signal.Signals = signal.SIGTERM, pipes: bool = False,
    ) -> Spawned:  # fmt: skip
        """Start `argv` in a process group of its own, pinned to `cpus`, its output appended to `log`.

        With `pipes` its standard input and output are pipes (`popen.stdin`, `popen.stdout`) and only errors go to the log.
        Raises BenchError where the command cannot be started.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output, _affinity(cpus):
            try:
                popen = subprocess.Popen(
                    list(argv), cwd=cwd, env={**env, TAG: self.id}, start_new_session=True, user=user, group=group,
                    extra_groups=[] if user is not None else None,
                    stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if pipes else output, stderr=output,
                )  # fmt: skip
            except OSError as error:
                raise BenchError(f"cannot start {argv[0]}: {error.strerror}") from None
        try:
            started = started_s(popen.pid)
        except psutil.NoSuchProcess:
            started = started_s(os.getpid())  # it has ended already; what it left in its session is younger than we are
        spawned = Spawned(
            pid=popen.pid, started=started, role=role, argv=tuple(argv), log=log, popen=popen, stop_signal=stop_signal
        )
        self._spawned.append(spawned)
        self._record()
        _pass_on_niceness(popen.pid)
        return spawned

    def enter[T](self, resource: contextlib.AbstractContextManager[T]) -> T:
        """Hold a resource until the session ends."""
        return self._stack.enter_context(resource)

    def own_project(self, name: str, engine: Mapping[str, str]) -> None:
        """From now on everything of the Compose project `name` ends with the session, also with one that is killed.

        `engine`: the environment variables that lead `docker` to the engine it is on.
        """
        self._projects[name] = dict(engine)
        self._record()
        self._stack.callback(self._end_project, name, engine)

    def _end_project(self, name: str, engine: Mapping[str, str]) -> None:
        if _remove_project(name, engine):
            del self._projects[name]

    def _forget(self) -> None:
        """Nothing is left to be known of this session, unless a project could not be removed: then the next command tries again."""
        if self._projects:
            self._record()
        else:
            self._path.unlink(missing_ok=True)

    def stop(self, which: Sequence[Spawned] | None) -> dict[int, float]:
        """End `which` (None: all), front before app before the rest, and everything that they started. Returns when they are gone.

        The answer has for each leader's pid the seconds from the signal to the end of the last of its family.
        """
        took_s: dict[int, float] = {}
        chosen = list(self._spawned if which is None else which)
        order: dict[Role, int] = {"generator": 0, "front": 1, "app": 2, "service": 3, "database": 4}
        chosen.sort(key=lambda spawned: order[spawned.role])
        late = [spawned for spawned in chosen if spawned.role == "database"]
        for group in ([spawned for spawned in chosen if spawned.role != "database"], late):
            now = table()
            by_leader = {spawned.pid: members(spawned.pid, spawned.started, now) for spawned in group}
            families = [process for family in by_leader.values() for process in family]
            asked_at, gone = time.monotonic(), dict[int, float]()
            for spawned in group:
                if spawned.exit_code() is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(spawned.pid, spawned.stop_signal)
            popens = [spawned.popen for spawned in group]
            _reap(families, popens, gone, asked=True)
            for spawned in group:
                ends = [gone.get(process.pid) for process in by_leader[spawned.pid]]
                if ends and all(ends):
                    took_s[spawned.pid] = max(end for end in ends if end) - asked_at
            # What they started while they were told to stop.
            now = table()
            left = [process for spawned in group for process in members(spawned.pid, spawned.started, now)]
            _reap(left, popens, {}, asked=False)
        for spawned in chosen:
            for pipe in (spawned.popen.stdin, spawned.popen.stdout):
                if pipe:
                    with contextlib.suppress(OSError):
                        pipe.close()
            if spawned in self._spawned:
                self._spawned.remove(spawned)
        if not self._lock.closed:
            self._record()
        return took_s

    def end(self, role: Role) -> None:
        """End all processes of one role."""
        self.stop([one for one in self._spawned if one.role == role])

    def _record(self) -> None:
        # Several threads may start and stop what is theirs: what is written last must be what was true last.
        with self._recording:
            state = {
                "id": self.id, "scratch": str(self.scratch),
                "processes": [[spawned.pid, spawned.started] for spawned in self._spawned], "projects": self._projects,
            }  # fmt: skip
            _write(self._lock.fileno(), state)


def _write(record: int, state: Mapping[str, Any]) -> None:
    """In one call, and only then shortened: whenever its owner is killed, what a record begins with can be read (see `_read`).

    Raises OSError where the disk is full.
    """
    text = json.dumps(state).encode()
    if os.pwrite(record, text, 0) < len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a record of started processes")
    os.ftruncate(record, len(text))


def _pass_on_niceness(pid: int) -> None:
    """Give our nice value to the new session's scheduling group. Linux may weigh sessions against each other as if all were equally nice
    (autogrouping, sched(7)): then `nice -n -10 bench run` would say nothing about the stacks that it starts.
    """
    if own := os.nice(0):
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(own), encoding="ascii")


def members(pid: int, started: float, among: Table | None = None) -> list[psutil.Process]:
    """See `Table.family`; as of now, or of `among`."""
    found = []
    for one in (among or table()).family(pid, started):
        with contextlib.suppress(psutil.Error):
            found.append(psutil.Process(one))
    return found


def recover(home: Path = HOME) -> list[str]:
    """End what sessions without a living owner left behind; returns a line for each."""
    said = []
    for path in sorted(home.glob("*.json")):
        with contextlib.suppress(OSError), path.open("r+", encoding="utf-8") as record:
            try:
                fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its owner lives
            state = _read(record.read())
            recorded = [process for pid, started in state["processes"] for process in members(pid, started)]
            families = list(dict.fromkeys([*recorded, *_tagged(path.stem)]))
            _reap(families, [], {}, asked=False)
            left = {name: engine for name, engine in state["projects"].items() if not _remove_project(name, engine)}
            for scratch in (Path(state["scratch"]), *Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
                if _is_of(scratch, path.stem):
                    shutil.rmtree(scratch, ignore_errors=True)
            said.append(f"ended what {path.stem} left behind: {len(families)} processes")
            if left:
                _write(record.fileno(), {"id": path.stem, "scratch": "", "processes": [], "projects": left})
                said.append(f"but not {', '.join(left)}: the next command tries again; to give it up, delete {path}")
            else:
                path.unlink(missing_ok=True)
    return said


def _tagged(session: str) -> list[psutil.Process]:
    """What has that session's id in its environment, as far as that may be read: also what its owner had just started, and was
    killed before it wrote that down. Not this process, which may be a command that such a one started.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(TAG) == session:
                found.append(process)
    return found


def _is_of(scratch: Path, session: str) -> bool:
    """Whether it is that session's scratch folder, wherever TMPDIR led then: nothing is removed on the word of a record alone."""
    try:
        return scratch.name.startswith(PREFIX) and (scratch / MARKER).read_text(encoding="utf-8") == session
    except (OSError, ValueError):
        return False


def _read(text: str) -> dict[str, Any]:
    """A record as written, whatever of an older one still stands behind it; one that is not whole names nothing."""
    try:
        state, _ = json.JSONDecoder().raw_decode(text)
        return {
            "scratch": str(state["scratch"]),
            "processes": [(int(pid), float(at)) for pid, at in state["processes"]],
            "projects": _projects(state.get("projects", {})),
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"scratch": "", "processes": [], "projects": {}}


def _projects(stored: Any) -> dict[str, dict[str, str]]:
    """From project to the variables that lead to its engine; older records have names alone."""
    if isinstance(stored, list):
        return {str(name): {} for name in stored}
    return {str(name): {str(key): str(value) for key, value in engine.items()} for name, engine in stored.items()}


_LISTING = {"rm": ("ps", "-aq"), "network rm": ("network", "ls", "-q"), "volume rm": ("volume", "ls", "-q")}
"""From what removes a kind of thing to what lists it; containers first, since they hold the others."""


def _remove_project(name: str, engine: Mapping[str, str]) -> bool:
    """Containers, networks and volumes with a Compose project's label; whether all are gone. What cannot be removed is named, and nothing
    is raised: the session's other resources must still be given back.
    """
    for removing, listing in _LISTING.items():
        try:
            found = _docker(engine, *listing, "--filter", f"label=com.docker.compose.project={name}").split()
            if found:
                _docker(engine, *removing.split(), *(["-f", "-v"] if removing == "rm" else []), *found)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"bench: containers, networks or volumes of {name} may be left: {error}", file=sys.stderr)
            return False
    return True


def _docker(engine: Mapping[str, str], *arguments: str) -> str:
    """On that engine, whatever the caller's own variables say now."""
    rest = {
        key: value for key, value in os.environ.items() if not engine or key not in ("DOCKER_HOST", "DOCKER_CONTEXT")
    }
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=True, timeout=60, stdin=subprocess.DEVNULL,
        start_new_session=True, env={**rest, **engine},
    ).stdout  # fmt: skip


def _reap(
    families: Sequence[psutil.Process],
    popens: Sequence[subprocess.Popen[bytes]],
    gone: dict[int, float],
    *,
    asked: bool,
) -> None:
    """Wait for the processes to go; SIGTERM first where their leaders were not asked yet, SIGKILL after the grace.

    `popens` are those among them that we started: their exit codes are taken through these. `gone` takes when each went.
    """
    if not asked:
        for process in families:
            with contextlib.suppress(psutil.Error):
                process.terminate()
    _wait(families, popens, gone, TERM_GRACE_S)
    for process in families:
        with contextlib.suppress(psutil.Error):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                process.kill()
    _wait(families, popens, gone, KILL_GRACE_S)


def _wait(
    families: Sequence[psutil.Process],
    popens: Sequence[subprocess.Popen[bytes]],
    gone: dict[int, float],
    patience_s: float,
) -> None:
    deadline = time.monotonic() + patience_s
    own = {popen.pid for popen in popens}
    orphans = [process for process in families if process.pid not in own]
    while time.monotonic() < deadline:
        # Of our own children the exit code tells: one with threads looks like a zombie before the last of them has ended.
        ended = {popen.pid for popen in popens if popen.poll() is not None}
        _collect_orphans(orphans)
        for one in families:
            if one.pid not in gone and (one.pid in ended if one.pid in own else not _alive(one)):
                gone[one.pid] = time.monotonic()
        if all(one.pid in gone for one in families):
            return
        time.sleep(0.02)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _collect_orphans(orphans: Sequence[psutil.Process]) -> None:
    """Workers whose master died become our children (see _become_subreaper): take their exit codes, or they stay as zombies."""
    for process in orphans:
        with contextlib.suppress(ChildProcessError, psutil.Error):
            if process.ppid() == os.getpid():
                os.waitpid(process.pid, os.WNOHANG)


def _become_subreaper() -> None:
    """Have orphaned descendants handed to us rather than to init (Linux), so that none gets out of sight."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextlib.contextmanager
def _affinity(cpus: Collection[int]) -> Iterator[None]:
    """Children inherit the affinity of the thread that starts them: no moment in which they run elsewhere."""
    if not cpus or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        raise BenchError(
            f"cannot pin to CPUs {sorted(cpus)}: {error.strerror}; this process may use {sorted(before)}"
        ) from None
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Tearing down must not be interrupted half way: a second Ctrl-C waits until it is done."""
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {name: signal.signal(name, signal.SIG_IGN) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def stop_on_signals() -> None:
    """Make SIGTERM and SIGHUP end the command as Ctrl-C does: through its `finally` clauses. Under nohup a hang-up stays ignored."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, interrupt)
