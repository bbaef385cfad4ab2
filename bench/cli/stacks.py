"""Stacks to look at: listed, held up here or in containers, and begun."""

import json
import os
from typing import Annotated, Any

from cyclopts import App, Parameter

from bench import catalog
from bench.cli import base
from bench.model import BenchError


@base.app.command(name="list")
def list_(*, as_json: Annotated[bool, Parameter("--json")] = False) -> int:
    """List stacks, scenarios, and combinations that do not fit together, with the reason.

    Parameters
    ----------
    as_json
        One JSON object: stacks (id, app, server, front, tags), scenarios, skipped (id, reason).
    """
    found = catalog.load()
    if as_json:
        print(json.dumps(_listing(found), indent=1))
        return 0
    base.console.print("Stacks (app/server/front)")
    for stack in found.stacks.values():
        tags = [tag for tag in ("default", "core", "dev") if tag in stack.tags]
        base.console.print(f"  {stack.id:<44} {' '.join(tags)}".rstrip(), markup=False)
    base.console.print("\nScenarios")
    for scenario in found.scenarios.values():
        base.console.print(f"  {scenario.name:<16} {scenario.title}", markup=False)
    base.console.print("\nDo not fit together")
    for name, reason in found.refused.items():
        base.console.print(f"  {name}\n      {reason}", markup=False)
    return 0


def _listing(found: catalog.Catalog) -> dict[str, Any]:
    return {
        "stacks": [
            {
                "id": one.id,
                "app": one.app.name,
                "server": one.server.name,
                "front": one.front.name,
                "tags": sorted(one.tags),
            }
            for one in found.stacks.values()
        ],
        "scenarios": [
            {"name": one.name, "title": one.title, "needs": sorted(one.needs)} for one in found.scenarios.values()
        ],
        "skipped": [{"id": name, "reason": reason} for name, reason in found.refused.items()],
    }


@base.app.command
def serve(stack: str, /, *, port: int | None = None) -> int:
    """Hold one stack up until Ctrl-C; prints its URL, processes and the configuration it runs on.

    Parameters
    ----------
    stack
        A stack id, as `bench list` prints them.
    port
        The port on 127.0.0.1 that clients connect to; a free one when left out.
    """
    from bench import check

    found = catalog.load()
    picked = catalog.resolve(found, stack)
    base.prepare(found, [picked])
    return check.serve(picked, port=port, say=lambda text: base.console.print(text, markup=False, soft_wrap=True))


@base.app.command
def compose(*, write: bool = False, up: str | None = None) -> int:
    """Check that docker-compose.yml is what the catalogue says; exit code 1 where it is not.

    Parameters
    ----------
    write
        Write it instead.
    up
        Build this stack's images and hold it up, as `docker compose --profile ... up` does; `make compose-down` ends it.
    """
    from bench.compose import docker, topfile

    if up is not None:
        stack = catalog.load().stacks.get(up)
        if stack is None:
            raise BenchError(
                f"{up}: docker-compose.yml has no such stack; `bench list` names them, options are not in the file"
            )
        base.console.print(f"{stack.id}: building, if there is anything to build, and starting", soft_wrap=True)
        file, profile = str(catalog.ROOT / topfile.NAME), topfile.profile(stack)
        docker.docker(
            "compose",
            "-f",
            file,
            "--profile",
            profile,
            "up",
            "--build",
            "--detach",
            "--wait",
            deadline_s=docker.BUILD_DEADLINE_S,
        )
        address, port = os.environ.get("FORKLOOP_ADDRESS", "127.0.0.1"), os.environ.get("FORKLOOP_PORT", "8080")
        base.console.print(f"http://{address}:{port}/ until `make compose-down`", soft_wrap=True)
        return 0
    rendered = topfile.expected(catalog.load())
    if write:
        (catalog.ROOT / topfile.NAME).write_text(rendered, encoding="utf-8")
        base.console.print(f"{topfile.NAME}: {rendered.count('    profiles: ')} services in profiles")
        return 0
    if topfile.current(catalog.ROOT) == rendered:
        base.console.print(f"{topfile.NAME} is as apps/ and deploy/ say")
        return 0
    base.console.print(
        f"{topfile.NAME} differs from apps/ and deploy/; `bench compose --write` writes it", soft_wrap=True
    )
    return 1


new = App(name="new", help="Write the beginnings of a folder of your own.")
base.app.command(new)


@new.command(name="app")
def new_app(name: str, /, *, interface: str = "wsgi") -> int:
    """Write apps/NAME: an application that passes the contract but for what it says is missing; see docs/adding-a-framework.md.

    Parameters
    ----------
    name
        Lower-case letters, digits and single hyphens.
    interface
        wsgi, asgi, or native (an HTTP server of its own).
    """
    from bench import skeleton

    folder = skeleton.app(catalog.ROOT, name, interface)
    for path in sorted(folder.iterdir()):
        base.console.print(f"wrote {path.relative_to(catalog.ROOT)}", markup=False)
    default = skeleton.INTERFACES[interface][1]
    base.console.print(f"next: .venv/bin/bench verify {name}/{default}", markup=False, soft_wrap=True)
    return 0
