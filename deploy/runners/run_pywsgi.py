"""Serves a WSGI application on gevent's own server: `python run_pywsgi.py --bind tcp:HOST:PORT|unix:PATH module:application`."""

# Before anything else is imported: what was imported unpatched blocks the loop.
# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import argparse
import logging
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

import gevent
from gevent.pywsgi import WSGIServer


def main() -> None:
    options = command_line()
    logging.basicConfig(level=logging.WARNING)
    import_from_working_directory()
    module, _, name = options.target.partition(":")
    application = getattr(import_module(module), name)
    server = WSGIServer(listening(options.bind, options.backlog), application, log=None, error_log=sys.stderr)
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, server.stop, 0.25)
    server.serve_forever()


def command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a WSGI application on gevent's own server.")
    parser.add_argument("--bind", required=True, metavar="tcp:HOST:PORT|unix:PATH")
    parser.add_argument("--backlog", type=int, default=2048, help="connections that may wait to be accepted")
    parser.add_argument("target", metavar="module:application")
    return parser.parse_args()


def import_from_working_directory() -> None:
    """Puts the application's folder first on the module path, in the place of this script's own."""
    own = Path(__file__).resolve().parent
    sys.path[:] = [str(Path.cwd()), *(entry for entry in sys.path if Path(entry).resolve() != own)]


def listening(bind: str, backlog: int) -> socket.socket:
    """A socket at the address; any user may connect to a unix one, since a proxy's workers run as another one."""
    kind, _, place = bind.partition(":")
    try:
        if kind == "unix":
            one = socket.socket(socket.AF_UNIX)
            one.bind(place)
            Path(place).chmod(0o666)
        else:
            host, _, port = place.rpartition(":")
            one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host.strip("[]"), int(port)))
        one.listen(backlog)
    except (OSError, ValueError) as error:
        sys.exit(f"cannot listen on {bind}: {error}")
    one.setblocking(False)
    return one


if __name__ == "__main__":
    main()
