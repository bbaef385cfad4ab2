"""Where a target listens: resolved once, before anything is measured."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from loadtests.errors import LoadError

_PATIENCE_S = 2.0
"""With each of several addresses: a system accepts a connection by itself, so this is for the way there and back."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """What a socket connects to, and what the request's `Host` says."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...] | str
    host: str


def resolve(
    host: str, port: int, unix: str | None = None, *, may_try: Callable[[str, str], bool] | None = None
) -> Address:
    """The address of `host:port`, or of the unix socket `unix`. Raises LoadError for a name that does not resolve.

    Of several addresses of one name it is the first that accepts a connection, or the first one where none does: `localhost` may mean
    ::1 before 127.0.0.1, and a server may listen on one of them alone. With `may_try` only those are connected to of which it says yes,
    given the name and the address.
    """
    if unix is not None:
        return Address(family=socket.AF_UNIX, sockaddr=unix, host="localhost")
    try:
        told = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error if isinstance(error, OSError) else "not a host name"
        raise LoadError(f"host {host!r}: cannot be resolved ({reason}); check the name, or give an address") from None
    found = list(dict.fromkeys((family, sockaddr) for family, _, _, _, sockaddr in told))
    several = found if len(found) > 1 else []  # one alone is the answer, and what it says is seen by the load itself
    tried = [place for place in several if may_try is None or may_try(host, str(place[1][0]))]
    family, sockaddr = next((place for place in tried if _accepts(*place)), found[0])
    return Address(family=family, sockaddr=sockaddr, host=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def from_url(url: str, unix: str | None = None) -> Address:
    """The address in `http://HOST[:PORT]`, or of the unix socket `unix`. Raises LoadError for anything else."""
    if unix is not None:
        return resolve("", 0, unix)
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:  # such as a bracket that is not closed
        raise LoadError(f"{url}: expected http://HOST[:PORT]") from None
    if parts.scheme == "https":
        raise LoadError(f"{url}: TLS is not supported; give an http:// address")
    try:
        port = 80 if parts.port is None else parts.port
        if port == 0:  # nobody can listen there, and it is not to mean 80
            raise ValueError
    except ValueError:
        raise LoadError(f"{url}: the port is not a number from 1 to 65535") from None
    if parts.scheme != "http" or not parts.hostname:
        raise LoadError(f"{url}: expected http://HOST[:PORT]")
    if parts.path not in ("", "/") or parts.query:
        raise LoadError(f"{url}: the path comes from the scenario; give http://HOST[:PORT] alone")
    return resolve(parts.hostname, port)


def _accepts(family: socket.AddressFamily, sockaddr: tuple[Any, ...]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PATIENCE_S)
            probe.connect(sockaddr)
    except OSError:
        return False
    return True
