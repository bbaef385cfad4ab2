"""Where a target listens: resolved once, before anything is measured."""

import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from loadtests.errors import LoadError


@dataclass(frozen=True, kw_only=True)
class Address:
    """What a socket connects to, and what the request's `Host` says."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...] | str
    host: str


def resolve(host: str, port: int, unix: str | None = None) -> Address:
    """The address of `host:port`, or of the unix socket `unix`. Raises LoadError for a name that does not resolve."""
    if unix is not None:
        return Address(family=socket.AF_UNIX, sockaddr=unix, host="localhost")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error if isinstance(error, OSError) else "not a host name"
        raise LoadError(f"host {host!r}: cannot be resolved ({reason}); check the name, or give an address") from None
    family, _, _, _, sockaddr = found[0]
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
        port = parts.port
    except ValueError:
        raise LoadError(f"{url}: the port is not a number from 0 to 65535") from None
    if parts.scheme != "http" or not parts.hostname:
        raise LoadError(f"{url}: expected http://HOST[:PORT]")
    if parts.path not in ("", "/") or parts.query:
        raise LoadError(f"{url}: the path comes from the scenario; give http://HOST[:PORT] alone")
    return resolve(parts.hostname, port or 80)
