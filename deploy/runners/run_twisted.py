"""Serves a Twisted site from its folder: `python run_twisted.py --bind tcp:HOST:PORT module:factory`.

The factory returns a `twisted.web.server.Site`. With `--wsgi-threads N` the target is a WSGI application instead, which Twisted
calls in a pool of so many threads.
"""

import argparse
import asyncio
import stat
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

# Longer than nginx keeps an idle upstream connection (60 s), so that it is nginx which closes.
KEEPALIVE_S = 75
# Between two signs of shutdown that Twisted waits for: requests under way get that long.
DRAIN_S = 0.25

type Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def main() -> None:
    options = command_line()
    install_reactor(options.loop)
    log_warnings()
    import_from_working_directory()
    module, _, name = options.target.partition(":")
    target = getattr(import_module(module), name)
    serve(wsgi_site(target, options.wsgi_threads) if options.wsgi_threads else target(), options)


def command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a Twisted site, or a WSGI application in threads.")
    parser.add_argument("--bind", required=True, type=address, metavar="tcp:HOST:PORT|unix:PATH")
    parser.add_argument("--backlog", type=int, default=2048, help="connections that may wait to be accepted")
    parser.add_argument(
        "--loop", choices=("epoll", "asyncio", "uvloop"), default="epoll", help="what the reactor is on"
    )
    parser.add_argument("--wsgi-threads", type=int, metavar="N", help="the target is a WSGI application")
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


def install_reactor(loop: str) -> None:
    """Before anything imports `twisted.internet.reactor`, which would install the platform's default."""
    if loop == "epoll":
        import_module("twisted.internet.epollreactor").install()
    else:
        new_event_loop = import_module("uvloop").new_event_loop if loop == "uvloop" else asyncio.new_event_loop
        import_module("twisted.internet.asyncioreactor").install(new_event_loop())


def log_warnings() -> None:
    """To standard error, from warnings on. Without an observer Twisted would keep its latest events in memory."""
    logger = import_module("twisted.logger")
    predicate = logger.LogLevelFilterPredicate(logger.LogLevel.warn)
    observer = logger.FilteringLogObserver(logger.textFileLogObserver(sys.stderr), [predicate])
    logger.globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def import_from_working_directory() -> None:
    """Puts the application's folder first on the module path, in the place of this script's own."""
    own = Path(__file__).resolve().parent
    sys.path[:] = [str(Path.cwd()), *(entry for entry in sys.path if Path(entry).resolve() != own)]


def wsgi_site(application: Wsgi, threads: int) -> Any:
    """A site that calls `application` in a pool of `threads`, started and stopped with the reactor."""
    import twisted
    from twisted.internet import reactor
    from twisted.python.threadpool import ThreadPool
    from twisted.web.server import Site
    from twisted.web.wsgi import WSGIResource

    pool = ThreadPool(minthreads=threads, maxthreads=threads, name="wsgi")
    reactor.callWhenRunning(pool.start)
    reactor.addSystemEventTrigger("after", "shutdown", pool.stop)

    def named(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # Twisted leaves out what PEP 3333 asks for: who serves.
        environ["SERVER_SOFTWARE"] = f"twisted/{twisted.__version__}"
        return application(environ, start_response)

    # Forms are the application's affair: Twisted would read them into memory, and refuse malformed ones.
    return Site(WSGIResource(reactor, pool, named), parsePOSTFormSubmission=False)


def serve(site: Any, options: argparse.Namespace) -> None:
    """Answers until a signal says stop; then finishes within a second."""
    from twisted.internet import reactor
    from twisted.internet.error import CannotListenError
    from twisted.internet.task import deferLater

    site.timeOut = KEEPALIVE_S
    site.log = lambda request: None  # no access log
    try:
        if isinstance(options.bind, str):
            remove_stale_socket(Path(options.bind))
            # Any user may connect: a proxy's workers run as another one than this process.
            reactor.listenUNIX(options.bind, site, backlog=options.backlog, mode=0o666)
        else:
            host, port = options.bind
            reactor.listenTCP(port, site, backlog=options.backlog, interface=host)
    except CannotListenError as error:
        sys.exit(f"cannot listen on {options.bind}: {error.socketError}")
    reactor.addSystemEventTrigger("before", "shutdown", deferLater, reactor, DRAIN_S)
    reactor.run()


def remove_stale_socket(path: Path) -> None:
    """A stale unix socket gives way, any other file does not."""
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()


if __name__ == "__main__":
    main()
