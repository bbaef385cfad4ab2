"""World and Fortune in a schema of our own: made, restored, checked and dropped, and nothing else ever touched.

The database may be a user's. A marker table says that the schema is ours; where a schema of that name lacks it, every
function here refuses and changes nothing.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

import psycopg

from bench.database import content
from bench.database.connection import Connection, connect, refusals, session
from bench.database.url import SCHEMA, application_url, masked
from bench.model import BenchError

PURPOSE = "forkloop benchmark data: made, emptied and refilled by forkloop"
VERSION = 1
"""Raised with every change of the tables or their rows, so that figures over unlike data never share a schema."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "marker": ("purpose text", "version integer"),
    "world": ("id integer", "randomnumber integer"),
    "fortune": ("id integer", "message character varying(2048)"),
}

LOCK_TIMEOUT_S = 5
"""How long restoring waits for a transaction that an application left open."""

_LOCK_KEY = int.from_bytes(b"forkloop")
_CREATE = (
    f"CREATE SCHEMA {SCHEMA}",
    f"CREATE TABLE {SCHEMA}.marker (purpose text NOT NULL, version integer NOT NULL)",
    f"CREATE TABLE {SCHEMA}.world (id integer PRIMARY KEY, randomnumber integer NOT NULL)",
    f"CREATE TABLE {SCHEMA}.fortune (id integer PRIMARY KEY, message varchar(2048) NOT NULL)",
)
_RELATIONS = """
    SELECT c.relname, array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = %s AND c.relkind = 'r' GROUP BY c.relname
"""


def prepare(url: str) -> None:
    """Makes schema, marker and filled tables where the schema does not exist; where it is ours, leaves it as it is.

    Raises `BenchError` for a schema that is not ours or of another version, a database not in UTF-8, and a user without
    the right to make a schema.
    """
    with session(application_url(url)) as connection, connection.transaction():
        if _is_ours(connection, url):
            return
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise BenchError(
                f"the database at {masked(url)} is encoded in {encoding}, which cannot hold every fortune: "
                "give one in UTF8 in DATABASE_URL"
            )
        for statement in _CREATE:
            connection.execute(statement)
        connection.execute(f"INSERT INTO {SCHEMA}.marker VALUES (%s, %s)", (PURPOSE, VERSION))
        _fill(connection)


def restore(url: str) -> tuple[str, ...]:
    """Puts back exactly the seeded rows, in fresh files, then settles. Returns notes, as `settle` does."""
    with session(url) as connection:
        with connection.transaction():
            _require_ours(connection, url)
            connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
            connection.execute(f"TRUNCATE {SCHEMA}.world, {SCHEMA}.fortune")
            _fill(connection)
        return _settle(connection)


def settle(url: str) -> tuple[str, ...]:
    """VACUUM (ANALYZE) of our tables, and CHECKPOINT, so that neither falls into the trial that follows.

    Returns notes for the run: a user may not be allowed to CHECKPOINT (the role pg_checkpoint, since PostgreSQL 15).
    """
    with session(url) as connection:
        _require_ours(connection, url)
        return _settle(connection)


def drop(url: str) -> bool:
    """Drops our tables and the schema. False where there was none.

    Raises `BenchError`, changing nothing, where the schema is not ours or anything of others is in it or depends on it.
    """
    with session(url) as connection:
        if not _schema_exists(connection):
            return False
        try:
            with connection.transaction():
                _require_marker(connection, url, any_version=True)
                connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'")
                for table in COLUMNS:
                    connection.execute(f"DROP TABLE IF EXISTS {SCHEMA}.{table} RESTRICT")
                connection.execute(f"DROP SCHEMA {SCHEMA} RESTRICT")
        except psycopg.errors.DependentObjectsStillExist as error:
            detail = (error.diag.message_detail or "").partition("\n")[0]
            raise BenchError(
                f"schema {SCHEMA} at {masked(url)} holds or serves objects that are not forkloop's ({detail}), "
                "so nothing was dropped: move them, then try again"
            ) from error
    return True


def row_digest(url: str) -> str:
    """SHA-256, in hex, over all rows of both tables: equal to `content.digest()` when they are as restored."""
    with session(url) as connection:
        _require_ours(connection, url)
        lines = [
            connection.execute(
                f"SELECT coalesce(string_agg(id || ':' || {column}, E'\\n' ORDER BY id), '') FROM {SCHEMA}.{table}"
            ).fetchone()
            for table, column in (("world", "randomnumber"), ("fortune", "message"))
        ]
    return content.combined(*(row[0] for row in lines if row is not None))


@contextmanager
def claim(url: str) -> Iterator[None]:
    """Keeps other runs off this database while the block lasts: an advisory lock, which ends with our connection.

    Raises `BenchError` if another run has it.
    """
    with closing(connect(url)) as connection:
        with refusals(url):
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK_KEY,)).fetchone()
        if row is None or not row[0]:
            raise BenchError(
                f"another run of forkloop uses the database at {masked(url)}: "
                "wait for it, or give this run one of its own in DATABASE_URL"
            )
        yield


def _fill(connection: Connection) -> None:
    _copy(connection, f"COPY {SCHEMA}.world (id, randomnumber) FROM STDIN", content.world())
    _copy(connection, f"COPY {SCHEMA}.fortune (id, message) FROM STDIN", content.FORTUNES)


def _copy(connection: Connection, statement: str, rows: Iterable[tuple[int, object]]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _settle(connection: Connection) -> tuple[str, ...]:
    connection.execute(f"VACUUM (ANALYZE) {SCHEMA}.world, {SCHEMA}.fortune")
    try:
        connection.execute("CHECKPOINT")
    except psycopg.errors.InsufficientPrivilege:
        return ("The database's user may not CHECKPOINT, so that one may fall into a trial: grant it pg_checkpoint.",)
    return ()


def _is_ours(connection: Connection, url: str) -> bool:
    """False where the schema does not exist; raises `BenchError` where it does and is not exactly ours."""
    if not _schema_exists(connection):
        return False
    _require_ours(connection, url)
    return True


def _schema_exists(connection: Connection) -> bool:
    return connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (SCHEMA,)).fetchone() is not None


def _require_ours(connection: Connection, url: str) -> None:
    found = _require_marker(connection, url, any_version=False)
    for table, columns in COLUMNS.items():
        if found.get(table) != columns:
            raise BenchError(
                f"table {SCHEMA}.{table} at {masked(url)} is missing or not as forkloop made it, "
                f"so nothing was touched: remove the schema {SCHEMA} (`bench clean` drops it), then run again"
            )


def _require_marker(connection: Connection, url: str, *, any_version: bool) -> dict[str, tuple[str, ...]]:
    """The schema's tables with their columns. Raises `BenchError` without the marker that makes the schema ours."""
    found = {name: tuple(columns) for name, columns in connection.execute(_RELATIONS, (SCHEMA,))}
    marker = None
    if found.get("marker") == COLUMNS["marker"]:
        marker = connection.execute(f"SELECT version FROM {SCHEMA}.marker WHERE purpose = %s", (PURPOSE,)).fetchone()
    if marker is None:
        raise BenchError(
            f"the database at {masked(url)} has a schema {SCHEMA} without forkloop's marker, so nothing was touched: "
            "give another database in DATABASE_URL, or rename that schema"
        )
    if marker[0] != VERSION and not any_version:
        raise BenchError(
            f"schema {SCHEMA} at {masked(url)} holds data of version {marker[0]}, and this forkloop needs {VERSION}: "
            "drop it with `bench clean`, then run again"
        )
    return found
