#!/usr/bin/env python
"""Django's command line for this project; `runserver` is the only command that serves."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    # runserver starts a thread for each connection from a client. A database connection that persists would be
    # used by that thread alone and outlive it until the garbage collector comes by, so none does here; Django's
    # documentation says the same.
    os.environ.setdefault("DJANGO_CONN_MAX_AGE_S", "0")
    execute_from_command_line(sys.argv)
