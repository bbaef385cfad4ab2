"""The null server: nginx that answers with a stored file whatever a stack would compute. What the generator gets out of it is its ceiling.

It is loaded in the same slices as the stacks, with the same requests and checks, so that the ceiling is that of the same moments.
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.model import BenchError, Budget
from bench.render import Endpoint
from bench.session import Session, Spawned

ID = "null-server"
"""How jobs name it; no deployment's id looks like that."""
UP_DEADLINE_S = 10.0
_CONFIG = """\
daemon off; worker_processes {cpus}; pid {folder}/nginx.pid; error_log {folder}/error.log; {user}
worker_rlimit_nofile 4096;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=64;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; uwsgi_temp_path {folder}/uwsgi;
    fastcgi_temp_path {folder}/fastcgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=2048;
{locations}
    }}
}}
"""
_LOCATION = '        location = {path} {{ types {{ }} default_type "{content_type}"; alias {file}; }}\n'


@dataclass(kw_only=True)
class Ceiling:
    """The null server as it runs; `paths` are those it answers."""

    endpoint: Endpoint
    spawned: Spawned
    paths: frozenset[str]
    failed: dict[str, str] = field(default_factory=dict)
    """From path to why it has no stored answer."""


def fetch(
    endpoint: Endpoint, paths: Mapping[str, str], folder: Path
) -> tuple[dict[str, tuple[str, Path]], dict[str, str]]:
    """Ask a stack for each path (with query), and store what it answers: from path without query to content type and file.

    The second mapping says why a path has none.
    """
    stored: dict[str, tuple[str, Path]] = {}
    failed: dict[str, str] = {}
    transport = httpx.HTTPTransport(uds=str(endpoint.socket) if endpoint.socket else None)
    with httpx.Client(transport=transport, base_url=endpoint.url, timeout=10.0, trust_env=False) as client:
        for bare, asked in paths.items():
            try:
                answer = client.get(asked)
            except httpx.HTTPError as error:
                failed[bare] = str(error) or type(error).__name__
                continue
            if answer.status_code != 200:
                failed[bare] = f"status {answer.status_code}"
                continue
            file = folder / f"answer-{len(stored)}"
            file.write_bytes(answer.content)
            file.chmod(0o644)
            stored[bare] = (answer.headers.get("content-type", "application/octet-stream"), file)
    return stored, failed


def start(
    session: Session,
    budget: Budget,
    *,
    nginx: str,
    source: Endpoint,
    paths: Mapping[str, str],
    port: int,
    user: str | None,
    log: Path,
) -> Ceiling:
    """Hold the null server up on the servers' CPUs, with the answers of the stack at `source`. Raises BenchError."""
    folder = session.scratch / "null"
    folder.mkdir(mode=0o755, exist_ok=True)
    (folder / "logs").mkdir(exist_ok=True)
    stored, failed = fetch(source, paths, folder)
    if not stored:
        raise BenchError("no stack's answer could be stored for the null server")
    locations = "".join(
        _LOCATION.format(path=path, content_type=content_type.replace('"', ""), file=file)
        for path, (content_type, file) in stored.items()
    )
    config = folder / "nginx.conf"
    config.write_text(
        _CONFIG.format(
            cpus=len(budget.server_cpus),
            folder=folder,
            port=port,
            locations=locations,
            user=f"user {user};" if user else "",
        ),
        encoding="utf-8",
    )
    spawned = session.spawn(
        [nginx, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")], role="service", cwd=folder,
        env={"PATH": os.defpath}, log=log, cpus=budget.server_cpus if budget.pinned else (),
    )  # fmt: skip
    endpoint = Endpoint(host="127.0.0.1", port=port)
    deadline = time.monotonic() + UP_DEADLINE_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection((endpoint.host, port), 1):
            return Ceiling(endpoint=endpoint, spawned=spawned, paths=frozenset(stored), failed=failed)
        if spawned.exit_code() is not None or time.monotonic() > deadline:
            raise BenchError(f"the null server did not come up: see {log}")
        time.sleep(0.02)
