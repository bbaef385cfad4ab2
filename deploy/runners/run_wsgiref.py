"""Serves a WSGI application with the standard library's server: `python run_wsgiref.py --bind HOST:PORT module:callable`."""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class QuietHandler(WSGIRequestHandler):
    """Keeps no access log, and looks up no client's name."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """One line for each request, were it not for this."""

    def address_string(self) -> str:
        return str(self.client_address[0])


def main() -> None:
    options = command_line()
    import_from_working_directory()
    module, _, name = options.target.partition(":")
    application = getattr(import_module(module), name)
    host, port = options.bind
    WSGIServer.request_queue_size = options.backlog
    try:
        server = make_server(host, port, application, handler_class=QuietHandler)
    except OSError as error:
        sys.exit(f"cannot listen on {host}:{port}: {error}")
    with server:
        server.serve_forever()


def command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a WSGI application with wsgiref.")
    parser.add_argument("--bind", required=True, type=address, metavar="HOST:PORT")
    parser.add_argument("--backlog", type=int, default=5, help="connections that may wait to be accepted")
    parser.add_argument("target", metavar="module:callable")
    return parser.parse_args()


def address(text: str) -> tuple[str, int]:
    """`HOST:PORT` as (host, port)."""
    host, _, port = text.rpartition(":")
    if host and port.isdecimal():
        return host, int(port)
    raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")


def import_from_working_directory() -> None:
    """Puts the application's folder first on the module path, in the place of this script's own."""
    own = Path(__file__).resolve().parent
    sys.path[:] = [str(Path.cwd()), *(entry for entry in sys.path if Path(entry).resolve() != own)]


if __name__ == "__main__":
    main()
