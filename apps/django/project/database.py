"""Django's DATABASES from a libpq URI."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

DAY_S = 86_400.0
# A request waits this long for a connection: more than the longest /io-db that may hold the last one.
POOL_WAIT_S = 120.0


def databases(url: str, *, max_age_s: int | None, pool_max: int | None = None) -> dict[str, dict[str, Any]]:
    """The DATABASES setting for a URI such as `postgresql://user@/name?host=/run/pg&options=-csearch_path%3Dapp`.

    An empty `url` gives no database. A connection is kept for `max_age_s` seconds: None is for ever, 0 until the
    request ends. What Django has no key for (`options`, `sslmode`, ...) is passed on to libpq.

    With `pool_max` each process has a pool of so many connections instead, opened at the first query and kept open;
    a request takes one at its first query and gives it back when it ends.

    Raises ImproperlyConfigured for what libpq cannot parse.
    """
    if not url:
        return {}
    try:
        info = {key: value for key, value in conninfo_to_dict(url).items() if value is not None}
    except ProgrammingError as error:
        raise ImproperlyConfigured(f"DATABASE_URL: {str(error).strip()}") from None
    user = info.pop("user", "")
    settings = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": info.pop("dbname", user),  # libpq's own default
        "USER": user,
        "PASSWORD": info.pop("password", ""),
        "HOST": info.pop("host", ""),
        "PORT": info.pop("port", ""),
        "OPTIONS": info,
        "CONN_MAX_AGE": max_age_s,
    }
    if pool_max is not None:
        settings["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": pool_max,
            "timeout": POOL_WAIT_S,
            "max_idle": DAY_S,
            "max_lifetime": DAY_S,
        }
        settings["CONN_MAX_AGE"] = 0  # or Django refuses the pool
    return {"default": settings}
