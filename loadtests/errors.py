"""How a request fails, and how a mistake of the user is said."""

from enum import IntEnum


class LoadError(Exception):
    """A mistake the user can mend: one line that says what, where (file and key), and what to do. Shown without a traceback."""


class Fault(IntEnum):
    """Why a request was not answered correctly. `OK` is no fault; a number, since it is packed into every record."""

    OK = 0
    CONNECT = 1
    """No connection could be made."""
    RESET = 2
    """The connection was lost before the head of the response was complete, or reset at any time."""
    TIMEOUT = 3
    """Not answered within the job's timeout, counted from the intended start."""
    SHORT_BODY = 4
    """The connection ended within the body."""
    STATUS = 5
    """Another status than the scenario expects."""
    BAD_CONTENT = 6
    """Content type, length or body differ from what the scenario expects."""
    PROTOCOL = 7
    """Not HTTP/1, or bytes beyond the end of the response."""


FAULT_NAMES = (
    "connect",
    "reset",
    "timeout",
    "short-body",
    "status",
    "bad-content",
    "protocol",
)
"""The name of each fault in results, by its number less one."""
