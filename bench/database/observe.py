"""What is read from the server while it runs, to be recorded beside the figures."""

from bench.database.connection import BENCH, session

RECORDED = (
    "autovacuum",
    "checkpoint_timeout",
    "effective_cache_size",
    "fsync",
    "full_page_writes",
    "huge_pages_status",
    "io_method",
    "jit",
    "max_connections",
    "max_wal_size",
    "random_page_cost",
    "server_encoding",
    "shared_buffers",
    "shared_preload_libraries",
    "synchronous_commit",
    "wal_level",
    "work_mem",
)
"""Settings that can change a figure. A server that does not know one leaves it out."""

_CONNECTIONS = """
    SELECT coalesce(application_name, ''), count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name IS DISTINCT FROM %s AND pid <> pg_backend_pid()
    AND coalesce(backend_type, 'client backend') = 'client backend' GROUP BY 1 ORDER BY 1
"""
_BACKENDS = """
    SELECT pid, coalesce(application_name, '') FROM pg_stat_activity
    WHERE datname = current_database() AND application_name IS DISTINCT FROM %s AND pid <> pg_backend_pid()
    AND coalesce(backend_type, 'client backend') = 'client backend'
"""
_MAX_CONNECTIONS = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
               - coalesce(current_setting('reserved_connections', true)::int, 0),
           (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
           (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)
"""


def connections(url: str) -> dict[str, int]:
    """Open connections to this database by application_name ('' where a client gave none), without our own.

    A user without pg_read_all_stats sees other users' connections only under ''.
    """
    with session(url) as connection:
        return {str(name): int(count) for name, count in connection.execute(_CONNECTIONS, (BENCH,))}


def backends(url: str) -> dict[int, str]:
    """From process id to application_name of every client's server process: by these a local server's CPU time is charged."""
    with session(url) as connection:
        rows = connection.execute(_BACKENDS, (BENCH,)).fetchall()
    return {int(pid): str(name) for pid, name in rows}


def sessions(url: str) -> int:
    """How many sessions this database has seen so far, this one included (PostgreSQL 14 and newer)."""
    with session(url) as connection:
        row = connection.execute("SELECT sessions FROM pg_stat_database WHERE datname = current_database()").fetchone()
    return int(row[0]) if row else 0


def max_connections(url: str) -> int:
    """How many connections applications can have at once: no reserved ones, within database's and role's limit."""
    with session(url) as connection:
        row = connection.execute(_MAX_CONNECTIONS).fetchone()
    # A limit of -1 is none; -2 marks a database that DROP DATABASE left invalid, which cannot be connected to.
    return min(int(limit) for limit in row or () if limit is not None and limit >= 0)


def server_version(url: str) -> str:
    """The server's version, such as `18.4`."""
    with session(url) as connection:
        return (connection.info.parameter_status("server_version") or "").partition(" ")[0]


def settings(url: str) -> dict[str, str]:
    """The settings in `RECORDED` as the server shows them, and `tls`: `on` if connections are encrypted, or `off`."""
    with session(url) as connection:
        found = connection.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s) ORDER BY name", (list(RECORDED),)
        ).fetchall()
        tls = "on" if connection.pgconn.ssl_in_use else "off"
        return {**{str(name): str(value) for name, value in found}, "tls": tls}
