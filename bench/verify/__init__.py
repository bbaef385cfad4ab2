"""The contract's verifier: what a deployed stack answers, checked against `apps/CONTRACT.md` over a socket."""

from bench.verify.core import verify
from bench.verify.endpoints import ENDPOINTS
from bench.verify.report import Check, Failure, Report, Skip, render_text

__all__ = ["ENDPOINTS", "Check", "Failure", "Report", "Skip", "render_text", "verify"]
