"""Connecting to PostgreSQL, with one clear line for each of the ways in which that fails."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from bench.database.url import masked, quotable, validated
from bench.model import BenchError

OLDEST = 12
"""The oldest major version that is accepted."""

BENCH = "forkloop bench"
"""The application_name of our own connections, which are never counted as an application's."""

CONNECT_TIMEOUT_S = 5

type Connection = psycopg.Connection[TupleRow]

_REMEDIES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("connection refused", "no such file or directory", "timeout expired", "no route to host", "is unreachable"),
        "nothing answers there",
        "start it, correct DATABASE_URL, or unset it to use the embedded PostgreSQL",
    ),
    (
        ("failed to resolve host", "could not translate host name"),
        "the host's name is unknown",
        "correct the host in DATABASE_URL",
    ),
    (
        ("password authentication failed", "no password supplied", "authentication failed", "no pg_hba.conf entry"),
        "it does not let this user in",
        "correct user and password in DATABASE_URL",
    ),
    (("unsupported startup parameter",), "it is a connection pooler", "give PostgreSQL's own address in DATABASE_URL"),
    (
        ("response to ssl negotiation", "expected authentication request", "closed the connection unexpectedly"),
        "what answers there does not speak PostgreSQL's protocol",
        "correct host and port in DATABASE_URL",
    ),
    (("does not support ssl", "ssl error"), "its TLS settings do not match", "correct sslmode in DATABASE_URL"),
    (
        ("too many clients", "remaining connection slots", "too many connections"),
        "it has no free connection",
        "end other clients or raise its max_connections",
    ),
    (('database "',), "the database does not exist", "create it, or correct its name in DATABASE_URL"),
    (('role "',), "the user does not exist", "create it, or correct its name in DATABASE_URL"),
)


@contextmanager
def session(url: str) -> Iterator[Connection]:
    """A connection in autocommit mode, closed at the end. Whatever PostgreSQL refuses in it becomes a `BenchError`."""
    with connect(url) as connection, refusals(url):
        yield connection


@contextmanager
def refusals(url: str) -> Iterator[None]:
    """Turns what PostgreSQL refuses in the block into a `BenchError`."""
    try:
        yield
    except psycopg.Error as error:
        raise BenchError(_refusal(url, error)) from error


def connect(url: str) -> Connection:
    """As `session`, for a connection that outlives a block; the caller closes it and handles its errors."""
    url = validated(url)
    timeout_s = conninfo_to_dict(url).get("connect_timeout", CONNECT_TIMEOUT_S)
    try:
        connection = psycopg.connect(url, autocommit=True, application_name=BENCH, connect_timeout=timeout_s)
    except psycopg.OperationalError as error:
        raise BenchError(_unreachable(url, str(error))) from error
    major = connection.info.server_version // 10_000
    if major < OLDEST:
        connection.close()
        raise BenchError(
            f"PostgreSQL at {masked(url)} is version {major}, too old: "
            f"give one of {OLDEST} or newer in DATABASE_URL, or unset it to use the embedded one"
        )
    return connection


def _unreachable(url: str, message: str) -> str:
    """libpq's message of several lines as one line with a remedy."""
    where = f"cannot connect to PostgreSQL at {masked(url)}"
    if not quotable(url):
        return f"{where}: its password or user name holds @, : or /; write them as %40, %3A and %2F in DATABASE_URL"
    lower, first = message.lower(), message.strip().partition("\n")[0].strip()
    for needles, what, remedy in _REMEDIES:
        if any(needle in lower for needle in needles):
            return f"{where}: {what} ({first}); {remedy}"
    return f"{where}: {first}; correct DATABASE_URL"


def _refusal(url: str, error: psycopg.Error) -> str:
    message = (error.diag.message_primary or str(error).strip().partition("\n")[0]).strip()
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        remedy = "grant it to this user (CREATE on the database lets us make the schema), or unset DATABASE_URL"
    elif isinstance(error, psycopg.errors.LockNotAvailable):
        remedy = "something else holds our tables: end its transaction, then run again"
    elif isinstance(error, psycopg.OperationalError):
        remedy = "see the server's log"
    else:
        remedy = "see that nothing else uses its schema forkloop"
    return f"PostgreSQL at {masked(url)}: {message}; {remedy}"
