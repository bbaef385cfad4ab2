"""The WSGI entry point: `project.wsgi:application`."""

import os
import sys

from django.core.wsgi import get_wsgi_application


def threads_are_greenlets() -> bool:
    """Whether gevent stands in for the standard library's threads, as servers with greenlets arrange before they load an application."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
if threads_are_greenlets():
    # There are as many of them as clients, or one for each request, and nothing else bounds what they hold: connections that
    # persist were as many as clients, or were left behind by the hundred. The database backend's pool is the bound.
    os.environ.setdefault("DJANGO_POOL", "on")

application = get_wsgi_application()
