"""Runs a program with an HTTP server of its own: `python run_native.py --bind tcp:HOST:PORT module:function`.

The function is given a socket that listens already, and returns when the process is told to end (SIGTERM).
"""

import argparse
import logging
import socket
import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    options = command_line()
    logging.basicConfig(level=logging.WARNING)
    import_from_working_directory()
    module, _, name = options.target.partition(":")
    serve = getattr(import_module(module), name)
    serve(listening(options.bind, options.backlog))


def command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a program with an HTTP server of its own.")
    parser.add_argument("--bind", required=True, metavar="tcp:HOST:PORT|unix:PATH")
    parser.add_argument("--backlog", type=int, default=2048, help="connections that may wait to be accepted")
    parser.add_argument("--xheaders", action="store_true", help="no effect: left to the program")
    parser.add_argument("--loop", choices=("asyncio",), default="asyncio", help="no effect: left to the program")
    parser.add_argument("target", metavar="module:function")
    return parser.parse_args()


def import_from_working_directory() -> None:
    """Puts the application's folder first on the module path, in the place of this script's own."""
    own = Path(__file__).resolve().parent
    sys.path[:] = [str(Path.cwd()), *(entry for entry in sys.path if Path(entry).resolve() != own)]


def listening(bind: str, backlog: int) -> socket.socket:
    """A socket at `tcp:HOST:PORT` or `unix:PATH`; any user may connect to the latter, since a proxy's workers run as another one."""
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
    return one


if __name__ == "__main__":
    main()
