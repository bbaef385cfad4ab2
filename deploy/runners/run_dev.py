"""Development servers without their access logs: `python run_dev.py --bind HOST:PORT --server flask|wsgiref module[:application]`."""

import argparse
import logging
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server


def main() -> None:
    options = command_line()
    logging.basicConfig(level=logging.WARNING)
    import_from_working_directory()
    module, _, name = options.target.partition(":")
    application = getattr(import_module(module), name or "application")
    host, _, port = options.bind.rpartition(":")
    if options.server == "wsgiref":
        make_server(host, int(port), application, handler_class=Quiet).serve_forever()
    else:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        # What `flask run --no-reload --no-debugger` calls: https://flask.palletsprojects.com/en/stable/api/#flask.Flask.run
        application.run(host=host, port=int(port), debug=False, use_reloader=False, threaded=True, load_dotenv=False)


def command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a development server.")
    parser.add_argument("--bind", required=True, metavar="HOST:PORT")
    parser.add_argument("--server", required=True, choices=("flask", "wsgiref"))
    parser.add_argument("target", metavar="module[:application]")
    return parser.parse_args()


def import_from_working_directory() -> None:
    """Puts the application's folder first on the module path, in the place of this script's own."""
    own = Path(__file__).resolve().parent
    sys.path[:] = [str(Path.cwd()), *(entry for entry in sys.path if Path(entry).resolve() != own)]


class Quiet(WSGIRequestHandler):
    """Without a line for each request."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


if __name__ == "__main__":
    main()
