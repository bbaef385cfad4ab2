"""The database behind the applications: an embedded PostgreSQL or a user's, our tables, and its own account."""

from bench.database.data import claim, drop, prepare, restore, row_digest, settle
from bench.database.embedded import STOP_SIGNAL, Embedded, NotStartedError, Spawn, start, stop
from bench.database.installation import installed_version
from bench.database.observe import backends, connections, max_connections, server_version, settings
from bench.database.url import SCHEMA, application_url, masked

__all__ = [
    "SCHEMA",
    "STOP_SIGNAL",
    "Embedded",
    "NotStartedError",
    "Spawn",
    "application_url",
    "backends",
    "claim",
    "connections",
    "drop",
    "installed_version",
    "masked",
    "max_connections",
    "prepare",
    "restore",
    "row_digest",
    "server_version",
    "settings",
    "settle",
    "start",
    "stop",
]
