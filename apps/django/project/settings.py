"""Settings for production.

From the environment: DATABASE_URL, STATIC_DIR, DJANGO_DATA (orm or raw), DJANGO_SECRET_KEY, DJANGO_CONN_MAX_AGE_S,
DJANGO_POOL (on: a pool of at most DB_POOL_MAX connections). Without a pool Django holds one connection per thread, so
a server's threads are the cap.
"""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from project.database import databases

DEBUG = False
# Nothing here is signed, so a key that differs between processes does no harm.
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or get_random_secret_key()
# The server listens on the loopback interface or a unix socket only; behind a name, list that name.
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = ["endpoints"]
# No sessions, users, forms or cookies, so none of their middleware. CommonMiddleware stays: it is what
# gives a response its Content-Length, without which a server must send chunks or close the connection.
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
APPEND_SLASH = False
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"

TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
USE_I18N = False
TIME_ZONE = "UTC"

# Without DATABASE_URL there is no database, and the endpoints that need none still work.
# Connections persist, one for each thread, from the thread's first query on; manage.py and asgi.py tell why not there.
CONN_MAX_AGE_S = os.environ.get("DJANGO_CONN_MAX_AGE_S")
DATABASES = databases(
    os.environ.get("DATABASE_URL", ""),
    max_age_s=None if CONN_MAX_AGE_S is None else int(CONN_MAX_AGE_S),
    pool_max=int(os.environ.get("DB_POOL_MAX", "4")) if os.environ.get("DJANGO_POOL") == "on" else None,
)

# The rows are few and never change while the process lives: no expiry, and room to spare, since
# the cache drops a third of its entries once it is full.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "TIMEOUT": None,
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}

STATIC_DIR = Path(os.environ.get("STATIC_DIR") or "static").resolve()

# How the database endpoints reach their rows: the two modules have the same functions.
DATA_MODULES = {"orm": "endpoints.data.orm", "raw": "endpoints.data.raw"}
try:
    DATA_MODULE = DATA_MODULES[os.environ.get("DJANGO_DATA") or "orm"]
except KeyError as unknown:
    raise ImproperlyConfigured(f"DJANGO_DATA: {unknown} is none of {', '.join(DATA_MODULES)}") from None

# Failures go to stderr and nothing else is written: what a client does wrong (404, 405, 400, a bad Host,
# a path that leads out of a folder) is its own affair, and runserver's line per request is an access log.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "ERROR"},
    # Naming a logger here removes the handlers that Django's own defaults gave it.
    "loggers": {
        "django": {"level": "ERROR"},
        "django.server": {"level": "CRITICAL", "propagate": True},
        "django.security": {"level": "CRITICAL"},
    },
}
