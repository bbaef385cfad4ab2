"""Django's DATABASES from a libpq URI."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

DAY_S = 86_400.0
# A request waits this long for a connection: more than the longest /io-db that may hold the last one.
POOL_WAIT_S = 120.0


def databases(url: str, *, pool_max: int) -> dict[str, dict[str, Any]]:
    """The DATABASES setting for a URI such as `postgresql://user@/name?host=/run/pg&options=-csearch_path%3Dapp`.

    An empty `url` gives no database. What Django has no key for (`options`, `sslmode`, ...) is passed on to libpq.

    Each process has a pool of at most `pool_max` connections, opened at the first query and kept open; a request takes
    one at its first query and gives it back when it ends. Django's documentation says to do so under ASGI, since the
    thread to which a persistent connection would belong ends with the request.

    Raises ImproperlyConfigured for what libpq cannot parse.
    """
    if not url:
        return {}
    try:
        info = {key: value for key, value in conninfo_to_dict(url).items() if value is not None}
    except ProgrammingError as error:
        raise ImproperlyConfigured(f"DATABASE_URL: {str(error).strip()}") from None
    user = info.pop("user", "")
    pool = {"min_size": 1, "max_size": pool_max, "timeout": POOL_WAIT_S, "max_idle": DAY_S, "max_lifetime": DAY_S}
    return {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": info.pop("dbname", user),  # libpq's own default
            "USER": user,
            "PASSWORD": info.pop("password", ""),
            "HOST": info.pop("host", ""),
            "PORT": info.pop("port", ""),
            "OPTIONS": {**info, "pool": pool},
            "CONN_MAX_AGE": 0,  # or Django refuses the pool
        }
    }
