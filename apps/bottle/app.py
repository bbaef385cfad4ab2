"""The contract on Bottle: `application` is the WSGI callable. Its routes stand in the modules that are imported here."""

import os

import basic
import bodies
import data
import items
import work
from application import application

if os.environ.get("FAULT_SECRET"):
    import fault_routes  # noqa: F401  # adds its routes

__all__ = ["application", "basic", "bodies", "data", "items", "work"]
