"""Settings for production.

From the environment: DATABASE_URL, DB_POOL_MAX, STATIC_DIR, DJANGO_DATA (orm or raw), DJANGO_SECRET_KEY.
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
# No sessions, users, forms or cookies, so none of their middleware; and not CommonMiddleware, whose methods are
# synchronous: Django would run them in a thread, twice for each request.
MIDDLEWARE = ["endpoints.middleware.content_length"]
APPEND_SLASH = False
ROOT_URLCONF = "project.urls"

TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
USE_I18N = False
TIME_ZONE = "UTC"

# Without DATABASE_URL there is no database, and the endpoints that need none still work.
DATABASE_URL = os.environ.get("DATABASE_URL", "")
DB_POOL_MAX = int(os.environ.get("DB_POOL_MAX", "4"))
DATABASES = databases(DATABASE_URL, pool_max=DB_POOL_MAX)

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
# a path that leads out of a folder) is its own affair.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "ERROR"},
    # Naming a logger here removes the handlers that Django's own defaults gave it.
    "loggers": {"django": {"level": "ERROR"}, "django.security": {"level": "CRITICAL"}},
}
