"""Django's DATABASES from a libpq URI."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


def databases(url: str, *, max_age_s: int | None) -> dict[str, dict[str, Any]]:
    """The DATABASES setting for a URI such as `postgresql://user@/name?host=/run/pg&options=-csearch_path%3Dapp`.

    An empty `url` gives no database. A connection is kept for `max_age_s` seconds: None is for ever, 0 until the
    request ends. What Django has no key for (`options`, `sslmode`, ...) is passed on to libpq.

    Raises ImproperlyConfigured for what libpq cannot parse.
    """
    if not url:
        return {}
    try:
        info = {key: value for key, value in conninfo_to_dict(url).items() if value is not None}
    except ProgrammingError as error:
        raise ImproperlyConfigured(f"DATABASE_URL: {str(error).strip()}") from None
    user = info.pop("user", "")
    return {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": info.pop("dbname", user),  # libpq's own default
            "USER": user,
            "PASSWORD": info.pop("password", ""),
            "HOST": info.pop("host", ""),
            "PORT": info.pop("port", ""),
            "OPTIONS": info,
            "CONN_MAX_AGE": max_age_s,
        }
    }
