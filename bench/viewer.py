"""Stored reports over HTTP, for a browser that cannot open files here: on the loopback interface alone, to be read and not written.

A run that is still going on, or whose last report is still to be written, is reloaded by the browser every few seconds (the header
`Refresh`); stored pages hold nothing of that.
"""

import html
import json
import time
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

from bench.model import BenchError

ADDRESS = "127.0.0.1"
REFRESH_S = 10
"""How often a browser asks again for a report that grows."""
LAST_REPORT_S = 300
"""A report that is older than the end of its run is soon replaced; beyond this it was not, and is left as it is."""
_TEXT = (".jsonl", ".log", ".conf", ".md", ".toml", ".ini", ".csv")


class Viewer:
    """Serves folder `root` from a thread of its own, from creation to `close`. Raises BenchError where the port cannot be had."""

    def __init__(self, root: Path, *, port: int | None = None) -> None:
        self._root = root.resolve()
        self._watched: list[float] = []
        handler = type("Handler", (_Handler,), {"root": self._root, "watched": self._watched})
        try:
            self._server = _Server((ADDRESS, port or 0), handler)
        except (OSError, OverflowError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is none"
            raise BenchError(f"port {port} on {ADDRESS} cannot be had: {why}; choose another with --port") from None
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def url(self, run: Path | None = None) -> str:
        """Of a run's report, or of the page of all runs."""
        path = f"{quote(run.resolve().relative_to(self._root).as_posix())}/report/index.html" if run else ""
        return f"http://{ADDRESS}:{self.port}/{path}"

    def wait(self) -> None:
        """Until the thread ends, which it does not by itself: until KeyboardInterrupt."""
        while self._thread.is_alive():
            time.sleep(0.5)

    def linger(self) -> None:
        """Where a browser is watching a run, until it has loaded the last report; to be called when that is written."""
        until = self._watched[-1] + REFRESH_S + 2 if self._watched else 0.0
        seen = len(self._watched)
        while time.monotonic() < until and len(self._watched) == seen:
            time.sleep(0.2)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "Viewer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no event."""


class _Handler(SimpleHTTPRequestHandler):
    root: Path
    watched: list[float]
    """When reports of the folder were asked for, on the monotonic clock."""
    server_version = "forkloop"
    sys_version = ""
    timeout = 30
    _refresh = False
    """Whether the browser is to ask again."""
    extensions_map = {  # noqa: RUF012  (as the base class has it)
        **SimpleHTTPRequestHandler.extensions_map,
        **dict.fromkeys(_TEXT, "text/plain; charset=utf-8"),
        ".html": "text/html; charset=utf-8", ".json": "application/json; charset=utf-8", ".parquet": "application/octet-stream",
    }  # fmt: skip

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, directory=str(self.root), **named)

    def send_head(self) -> Any:
        """The one door to every file: what does not belong to the folder, or is asked for under another name, is refused."""
        self._refresh = False
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in (ADDRESS, "localhost"):  # a page elsewhere whose name was made to lead here
            return self._refuse(HTTPStatus.FORBIDDEN, f"This server answers for {ADDRESS} only.")
        named = unquote(urlsplit(self.path).path)
        hidden = not named.isprintable() or any(part.startswith(".") for part in named.split("/"))
        wanted = self.root if hidden else Path(self.translate_path(self.path)).resolve()
        if hidden or not wanted.is_relative_to(self.root):
            return self._refuse(HTTPStatus.NOT_FOUND, "There is no such file.")
        page = wanted / "index.html" if wanted.name == "report" else wanted
        if page.name == "index.html" and page.parent.name == "report":
            self.watched.append(time.monotonic())
            self._refresh = self._changing(page)
        if self._refresh and not wanted.exists():
            return self._refuse(HTTPStatus.OK, "The first block is not over yet; this page reloads by itself.")
        return super().send_head()

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        body = f"<!doctype html><meta charset=utf-8><title>forkloop</title><p>{html.escape(text)}</p>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if self._refresh:
            self.send_header("Refresh", str(REFRESH_S))
        super().end_headers()

    def _changing(self, page: Path) -> bool:
        """Whether the report will be another soon: its run goes on, or ended a moment ago and was not reported on since."""
        header = page.parent.parent / "run.json"
        try:
            if json.loads(header.read_bytes()).get("status") == "running":
                return True
            ended = header.stat().st_mtime
            return time.time() - ended < LAST_REPORT_S and (not page.exists() or page.stat().st_mtime < ended)
        except (OSError, ValueError, AttributeError):
            return False

    def copyfile(self, source: BinaryIO, outputfile: BinaryIO) -> None:  # type: ignore[override]
        """The file, unless the browser no longer wants it."""
        try:
            super().copyfile(source, outputfile)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the terminal belongs to whoever started this."""
