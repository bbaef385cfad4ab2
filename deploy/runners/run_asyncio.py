"""Serves an asyncio protocol from its folder: `python run_asyncio.py --bind tcp:HOST:PORT module:factory`.

The factory returns what makes a connection's `asyncio.Protocol` when it is called, and has a coroutine method `close`, awaited last.
"""

import argparse
import asyncio
import logging
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

# After the signal: time for requests under way to finish.
DRAIN_S = 0.25


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
    parser = argparse.ArgumentParser(description="Serve an asyncio protocol.")
    parser.add_argument("--bind", required=True, type=address, metavar="tcp:HOST:PORT|unix:PATH")
    parser.add_argument("--backlog", type=int, default=2048, help="connections that may wait to be accepted")
    parser.add_argument("--xheaders", action="store_true", help="no effect: nothing here reads such headers")
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
    server = await listen(application, options)
    await stop.wait()
    server.close()
    await asyncio.sleep(DRAIN_S)
    await application.close()


async def listen(application: Any, options: argparse.Namespace) -> asyncio.Server:
    """Starts to accept connections. A stale unix socket gives way, any other file does not."""
    loop = asyncio.get_running_loop()
    try:
        if isinstance(options.bind, str):
            server = await loop.create_unix_server(application, options.bind, backlog=options.backlog)
            # Any user may connect: a proxy's workers run as another one than this process.
            Path(options.bind).chmod(0o666)
            return server
        host, port = options.bind
        reuse_port = options.reuse_port or None
        return await loop.create_server(application, host, port, backlog=options.backlog, reuse_port=reuse_port)
    except OSError as error:
        sys.exit(f"cannot listen on {options.bind}: {error}")


if __name__ == "__main__":
    main()
