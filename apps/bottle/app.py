"""The contract on Bottle: `application` is the WSGI callable. Its routes stand in the modules that are imported here."""

import basic
import bodies
import data
import items
import work
from application import application

__all__ = ["application", "basic", "bodies", "data", "items", "work"]
