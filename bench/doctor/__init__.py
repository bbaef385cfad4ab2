"""Whether this machine is fit to measure on: facts are gathered, judged, and shown with a remedy where one is due."""

from bench.doctor.checks import Check, checks, verdict
from bench.doctor.facts import Facts, Part, gather
from bench.doctor.text import render

__all__ = ["Check", "Facts", "Part", "checks", "gather", "render", "verdict"]
