"""The fault endpoints of applications (apps/CONTRACT.md): they exist only where the launcher sets a secret, new for every run."""

import secrets
from collections.abc import Mapping

VARIABLE = "FAULT_SECRET"
HEADER = "X-Fault-Secret"


def new_secret() -> str:
    """One that nobody guesses; for one run."""
    return secrets.token_urlsafe(24)


def environment(secret: str) -> dict[str, str]:
    """What switches the endpoints on in an application's environment."""
    return {VARIABLE: secret}


def headers(secret: str) -> dict[str, str]:
    """What a request for a fault carries; without it the path is an unknown one."""
    return {HEADER: secret}


def are_on(environment: Mapping[str, str]) -> bool:
    """Whether an application with this environment has them."""
    return bool(environment.get(VARIABLE))
