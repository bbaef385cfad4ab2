"""Serves an aiohttp application from its folder: `python run_aiohttp.py --bind tcp:HOST:PORT module:factory`.

The factory returns an `aiohttp.web.Application`, whose clean-up runs before the process ends.
"""

import argparse
import asyncio
import logging
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from aiohttp import web

# Longer than nginx keeps an idle upstream connection (60 s), so that it is nginx which closes.
KEEPALIVE_S = 75.0
# aiohttp waits this long for requests under way, and then once more for their handlers to end.
SHUTDOWN_S = 0.25


def main() -> None:
    options = command_line()
    logging.basicConfig(level=logging.WARNING)
    import_from_working_directory()
    module, _, name = options.target.partition(":")
    factory = getattr(import_module(module), name)
    uvloop = import_module("uvloop") if options.loop == "uvloop" else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else asyncio.new_event_loop) as runner:
        runner.run(serve(factory(), options))


def command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve an aiohttp application.")
    parser.add_argument("--bind", required=True, type=address, metavar="tcp:HOST:PORT|unix:PATH")
    parser.add_argument("--backlog", type=int, default=2048, help="connections that may wait to be accepted")
    parser.add_argument("--xheaders", action="store_true", help="no effect: aiohttp reads no such headers")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--reuse-port", action="store_true", help="SO_REUSEPORT: several may bind the port")
    parser.add_argument("target", metavar="module:factory")
    return parser.parse_args()


def address(text: str) -> tuple[str, int] | str:
    """`tcp:HOST:PORT` as (host, port), `unix:PATH` as the path."""
    kind, _, place = text.partition(":")
    if kind == "unix" and place:
        return place
    host, _, port = place.rpartition(":")
    if kind == "tcp" and host and port.isdecimal():
        return host.strip("[]"), int(port)
    raise argparse.ArgumentTypeError(f"{text!r} is neither tcp:HOST:PORT nor unix:PATH")


def import_from_working_directory() -> None:
    """Puts the application's folder first on the module path, in the place of this script's own."""
    own = Path(__file__).resolve().parent
    sys.path[:] = [str(Path.cwd()), *(entry for entry in sys.path if Path(entry).resolve() != own)]


async def serve(application: Any, options: argparse.Namespace) -> None:
    """Answers until a signal says stop; then finishes within a second."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(
        application,
        access_log=None,
        keepalive_timeout=KEEPALIVE_S,
        shutdown_timeout=SHUTDOWN_S,
    )
    await runner.setup()
    try:
        await listen(runner, options)
        await stop.wait()
    finally:
        await runner.cleanup()


async def listen(runner: web.AppRunner, options: argparse.Namespace) -> None:
    """Starts to accept connections. A stale unix socket gives way, any other file does not."""
    try:
        if isinstance(options.bind, str):
            await web.UnixSite(runner, options.bind, backlog=options.backlog).start()
            # Any user may connect: a proxy's workers run as another one than this process.
            Path(options.bind).chmod(0o666)
        else:
            host, port = options.bind
            reuse_port = options.reuse_port or None
            await web.TCPSite(runner, host, port, backlog=options.backlog, reuse_port=reuse_port).start()
    except OSError as error:
        sys.exit(f"cannot listen on {options.bind}: {error}")


if __name__ == "__main__":
    main()
