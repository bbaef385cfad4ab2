"""What may be done to a `DATABASE_URL` before anything connects: read it, hide its password, add our schema to it."""

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bench.model import BenchError

SCHEMA = "forkloop"
"""Everything of ours in a database lies in this schema, and no statement of ours reaches outside it."""

SCHEMES = ("postgresql://", "postgres://")
EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"

_PASSWORD = re.compile(r"(?<=//)([^:@/?]*):.*@", re.DOTALL)
_PASSWORD_OPTION = re.compile(r"((?:^|[?&\s])(?:ssl)?password=)[^&\s]*")
_NAME_BYTES = 63
"""PostgreSQL cuts an application_name behind this many bytes (NAMEDATALEN - 1)."""


def masked(url: str) -> str:
    """The URL as it may be shown: any password is `***`. Of a malformed URL it rather hides too much."""
    return _PASSWORD_OPTION.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))


def quotable(url: str) -> bool:
    """Whether libpq's messages about this URL cannot hold a part of the password.

    They can where it has an unescaped `@` or `/`: libpq then takes its end for the host, or its start for a port.
    """
    hidden = _PASSWORD.search(url)
    if hidden is None:
        return True
    shown = hidden.group().partition(":")[2].removesuffix("@")
    return conninfo_to_dict(url).get("password") == unquote(shown)


def validated(url: str) -> str:
    """The URL without blanks around it. Raises `BenchError` where libpq would not take it as a URI.

    libpq's own message is not passed on: it quotes the part that it cannot read, which may be the password.
    """
    url = url.strip()
    if not url.startswith(SCHEMES):
        raise BenchError(f"DATABASE_URL is not a PostgreSQL URL ({masked(url)!r}): write it as {EXAMPLE}")
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        hint = "write %, @, : and / within a user name or password as %25, %40, %3A and %2F"
        raise BenchError(f"DATABASE_URL is malformed ({masked(url)!r}): write it as {EXAMPLE}; {hint}") from None
    return url


def application_url(url: str, *, application_name: str | None = None) -> str:
    """The URL for an application: tables are found in our schema without naming it, through libpq's `options`.

    Options that the URL has already are kept, in front of ours. `application_name`, of at most 63 bytes, is what
    `connections` counts by. Doing this twice changes nothing.
    """
    address, parameters = _split(validated(url))
    search_path = f"-csearch_path={SCHEMA}"
    options = parameters.get("options", "")
    if search_path not in options.split():
        parameters["options"] = f"{options} {search_path}".strip()
    if application_name is not None:
        if len(application_name.encode()) > _NAME_BYTES:
            raise ValueError(f"application_name is longer than {_NAME_BYTES} bytes: {application_name}")
        parameters["application_name"] = application_name
    return f"{address}?{urlencode(parameters, safe='/', quote_via=quote)}"


def _split(url: str) -> tuple[str, dict[str, str]]:
    """Address and query of a libpq URI, found as libpq does; `#` and `+` stand for themselves."""
    start = url.index("//") + 2
    slash = url.find("/", start)
    user_ends = url.find("@", start, slash if slash >= 0 else len(url))
    mark = url.find("?", max(start, user_ends))
    if mark < 0:
        return url, {}
    pairs = parse_qsl(url[mark + 1 :].replace("+", "%2B"), keep_blank_values=True)
    return url[:mark], dict(pairs)
