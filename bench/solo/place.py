"""Where a server of the user's is, and whether it may be loaded."""

import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.model import BenchError
from bench.render import Endpoint

CONNECT_PATIENCE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """A URL as given, and its parts."""

    url: str
    path: str
    endpoint: Endpoint


def parse(url: str, *, unix: Path | None = None, allowed: Collection[str] = ()) -> Place:
    """The place of `url`; through the socket `unix` if that is given.

    Raises BenchError for what is no http URL, does not resolve, or is a host that nobody has allowed: a load test of a machine without its
    owner's leave is an attack, so only loopback addresses and unix sockets are loaded unasked.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, 80 if parts.port is None else parts.port
        if port == 0:  # nobody can listen there, and it is not to mean 80
            raise ValueError
    except ValueError:
        raise BenchError(f"{url}: the port is not a number from 1 to 65535") from None
    if parts.scheme == "https":
        raise BenchError(f"{url}: TLS is not supported; give an http:// address")
    if parts.scheme != "http" or not host or parts.username is not None:
        raise BenchError(f"{url}: expected http://HOST[:PORT][/PATH]")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii() or any(letter.isspace() for letter in path):
        raise BenchError(f"{url}: percent-encode what is not ASCII in the path")
    if unix is None and host not in allowed:
        _refuse_strangers(url, host, port)
    return Place(url=url, path=path, endpoint=Endpoint(host=host, port=port, socket=unix))


def reach(place: Place) -> None:
    """Raises BenchError where nothing accepts a connection there."""
    endpoint = place.endpoint
    family = socket.AF_UNIX if endpoint.socket else socket.AF_INET
    try:
        if endpoint.socket:
            with socket.socket(family) as sock:
                sock.settimeout(CONNECT_PATIENCE_S)
                sock.connect(str(endpoint.socket))
        else:
            socket.create_connection((endpoint.host, endpoint.port), CONNECT_PATIENCE_S).close()
    except UnicodeError:  # of a host that was allowed by name, and so was not looked up before
        raise BenchError(f"{place.url}: {endpoint.host} is not a host name; check it, or give an address") from None
    except OSError as error:
        where = endpoint.socket or place.url
        raise BenchError(f"{where}: cannot connect ({error.strerror or error}); is the server running?") from None


def _refuse_strangers(url: str, host: str, port: int) -> None:
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise BenchError(f"{url}: {host} does not resolve ({reason}); check the name, or give an address") from None
    strangers = sorted(address for address in found if not ipaddress.ip_address(address.split("%")[0]).is_loopback)
    if strangers:
        raise BenchError(
            f"{url}: {strangers[0]} is another machine, and loading one without its owner's leave is an attack; "
            f"if it is yours to load, add --allow-host {host}"
        )
