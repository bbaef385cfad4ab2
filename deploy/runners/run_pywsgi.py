"""Serves a WSGI application from its folder with gevent's own server: `python run_pywsgi.py --bind tcp:HOST:PORT module:callable`.

The standard library is patched before the application is imported, so that what blocks there yields.
"""

import argparse
import logging
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

import gevent
from gevent import monkey
from gevent.event import Event
from gevent.pywsgi import WSGIServer

# After the signal: time for requests under way to finish.
DRAIN_S = 0.5


def main() -> None:
    monkey.patch_all()
    options = command_line()
    logging.basicConfig(level=logging.WARNING)
    import_from_working_directory()
    module, _, name = options.target.partition(":")
    application = getattr(import_module(module), name)
    # Without `log` it writes a line for each request; errors still go to stderr.
    server = WSGIServer(listener(options), application, log=None)
    serve(server)


def command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a WSGI application with gevent.pywsgi.")
    parser.add_argument("--bind", required=True, type=address, metavar="tcp:HOST:PORT|unix:PATH")
    parser.add_argument("--backlog", type=int, default=2048, help="connections that may wait to be accepted")
    parser.add_argument("target", metavar="module:callable")
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


def listener(options: argparse.Namespace) -> socket.socket:
    """The listening socket. A stale unix socket gives way, any other file does not."""
    try:
        if isinstance(options.bind, tuple):
            family = socket.AF_INET6 if ":" in options.bind[0] else socket.AF_INET
            listening = socket.create_server(options.bind, family=family, backlog=options.backlog)
            # As on sockets that gevent makes; without it a response in two parts waits for the client's acknowledgement.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return listening
        path = Path(options.bind)
        if path.is_socket():
            path.unlink()
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(options.bind)
        # Any user may connect: a proxy's workers run as another one than this process.
        path.chmod(0o666)
        listening.listen(options.backlog)
    except OSError as error:
        sys.exit(f"cannot listen on {options.bind}: {error}")
    return listening


def serve(server: WSGIServer) -> None:
    """Answers until a signal says stop; then finishes within a second."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    server.start()
    stop.wait()
    server.stop(timeout=DRAIN_S)


if __name__ == "__main__":
    main()
