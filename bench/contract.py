"""Holding a running deployment to apps/CONTRACT.md."""

from typing import Any

from bench import environments
from bench.deployment import Deployment
from bench.verify import Report, verify

DATABASE_ENDPOINTS = frozenset({"db", "queries", "fortunes", "updates", "cached-queries", "io-db", "api/items"})
ENDPOINTS = DATABASE_ENDPOINTS | {"healthz", "plaintext", "json", "io", "cpu", "upload", "blob", "static", "whoami"}


def endpoint_of(path: str) -> str | None:
    """Which of `ENDPOINTS` a path asks for, be it by an asynchronous view of its own; None for any other."""
    asked = path.partition("?")[0].removeprefix("/").removeprefix("async/")
    return next((name for name in ENDPOINTS if asked == name or asked.startswith(f"{name}/")), None)


def verify_deployment(deployment: Deployment, database_url: str | None) -> Report:
    """The contract's verdict on one running deployment."""
    return verify(deployment.client.url, **asked(deployment, database_url), static_dir=environments.STATIC)


def asked(deployment: Deployment, database_url: str | None) -> dict[str, Any]:
    """What `verify` is to check of a deployment, besides where it is and the files under /static."""
    stack = deployment.planned.stack
    endpoints = None if database_url else frozenset(ENDPOINTS - DATABASE_ENDPOINTS)
    lacking = stack.app.missing
    if lacking:
        endpoints = frozenset(endpoints or ENDPOINTS) - lacking
    return {"omits": stack.omits, "endpoints": endpoints, "database_url": database_url, "data": stack.data}
