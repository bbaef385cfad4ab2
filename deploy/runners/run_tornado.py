"""Serves a Tornado application from its folder: `python run_tornado.py --bind tcp:HOST:PORT module:factory`.

The factory returns a `tornado.web.Application`. If it has a coroutine method `close`, that is awaited last.
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.process import fork_processes

# Somewhat above the contract's 64 MiB; an application that streams sets a bound of its own below it.
BODY_MAX_BYTES = 65 * 1024 * 1024
# After the signal: time for requests under way to finish, then for their connections to close.
DRAIN_S = 0.25
CLOSE_S = 0.25


def main() -> None:
    options = command_line()
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("tornado.access").disabled = True
    import_from_working_directory()
    module, _, name = options.target.partition(":")
    factory = getattr(import_module(module), name)
    # With SO_REUSEPORT every process has a queue of its own and binds after the fork; else all share one.
    sockets = [] if options.reuse_port else listen(options)
    parent = fork(options.processes) if options.processes else None
    sockets = sockets or listen(options)
    uvloop = import_module("uvloop") if options.loop == "uvloop" else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else asyncio.new_event_loop) as runner:
        runner.run(serve(factory(), sockets, options.xheaders, parent))


def command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a Tornado application.")
    parser.add_argument("--bind", required=True, type=address, metavar="tcp:HOST:PORT|unix:PATH")
    parser.add_argument("--backlog", type=int, default=2048, help="connections that may wait to be accepted")
    parser.add_argument("--xheaders", action="store_true", help="trust a proxy's X-Real-Ip and X-Scheme")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--processes", type=int, metavar="N", help="fork this many (tornado.process)")
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


def listen(options: argparse.Namespace) -> list[socket.socket]:
    """The listening sockets. A stale unix socket gives way, any other file does not."""
    try:
        if isinstance(options.bind, str):
            # Any user may connect: a proxy's workers run as another one than this process.
            return [bind_unix_socket(options.bind, mode=0o666, backlog=options.backlog)]
        host, port = options.bind
        return list(bind_sockets(port, host, backlog=options.backlog, reuse_port=options.reuse_port))
    except (OSError, ValueError) as error:
        sys.exit(f"cannot listen on {options.bind}: {error}")


def fork(processes: int) -> int:
    """Forks, and returns in each child a pipe's end that reads as ended once the parent is gone.

    The parent stays in here, restarts children that crash, and leaves when all have ended. fork_processes by
    itself would leave them behind when the parent is terminated.
    """
    child_end, parent_end = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        fork_processes(processes)
    except SystemExit:
        os.close(parent_end)
        with suppress(ChildProcessError):
            while True:
                os.wait()
        raise
    os.close(parent_end)
    return child_end


async def serve(application: Any, sockets: list[socket.socket], xheaders: bool, parent: int | None) -> None:
    """Answers until a signal or the end of the parent says stop; then finishes within a second."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if parent is not None:
        loop.add_reader(parent, stop.set)
    server = HTTPServer(application, xheaders=xheaders, max_body_size=BODY_MAX_BYTES)
    server.add_sockets(sockets)
    await stop.wait()
    if parent is not None:
        loop.remove_reader(parent)
    server.stop()
    await asyncio.sleep(DRAIN_S)
    with suppress(TimeoutError):
        await asyncio.wait_for(server.close_all_connections(), CLOSE_S)
    if close := getattr(application, "close", None):
        await close()


if __name__ == "__main__":
    main()
