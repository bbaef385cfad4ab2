"""The contract in memory, behind a real socket: what the verifier's tests verify, as it should be or broken on purpose."""

import hashlib
import html
import json
import random
import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from bench.verify import Report, bodies, connections, core, verify

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
PATTERN = bytes(range(256)) * 256
FILES = {"1kb.bin": 1024, "100kb.bin": 102_400, "10mb.bin": 10_485_760}

FORTUNES = {
    1: "fortune: No such file or directory",
    2: "A computer scientist is someone who fixes things that aren't broken.",
    3: "After enough decimal places, nobody gives a damn.",
    4: "A bad random number generator: 1, 1, 1, 1, 1, 4.33e+67, 1, 1, 1",
    5: "A computer program does what you tell it to do, not what you want it to do.",
    6: "Emacs is a nice operating system, but I prefer UNIX. — Tom Christaensen",
    7: "Any program that runs right is obsolete.",
    8: "A list is only as strong as its weakest link. — Donald Knuth",
    9: "Feature: A bug with seniority.",
    10: "Computers make very fast, very accurate mistakes.",
    11: '<script>alert("This should not be displayed in a browser alert box.");</script>',
    12: "フレームワークのベンチマーク",
}


@dataclass(kw_only=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: Any
    body: bytes


@dataclass(kw_only=True)
class Response:
    """`pieces` instead of a body: sent chunked."""

    status: int = 200
    body: bytes = b""
    type: str = TEXT
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Iterator[bytes] | None = None


class Refused(Exception):
    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class Site:
    """Correct as it stands; a test breaks one rule by overriding a method."""

    longest_upload_bytes = 67_108_864

    def __init__(self, static_dir: Path) -> None:
        self.static_dir = static_dir
        self.random = random.Random(11)
        self.world = {id: self.random.randint(1, 10_000) for id in range(1, 10_001)}
        self.cache: dict[int, int] | None = None
        self.fortunes = dict(FORTUNES)
        self.items = {id: (f"Item {id}", id) for id in range(1, 25)}
        self.last_item = 24
        self.sleepers = 0

    # What every response goes through

    def answer(self, request: Request) -> Response:
        handler = self.handler(request.path)
        if handler is None:
            return self.unknown(request)
        if request.method not in self.methods(request.path):
            return self.wrong_method(request)
        try:
            return handler(request)
        except Refused as refused:
            return refused.response

    def methods(self, path: str) -> tuple[str, ...]:
        if path.startswith("/api/items"):
            return ("GET", "POST") if path == "/api/items" else ("GET", "PUT", "DELETE")
        return ("POST",) if path == "/upload" else ("GET",)

    def handler(self, path: str) -> Callable[[Request], Response] | None:
        if path.startswith("/static/"):
            return self.static
        if path.startswith("/api/items"):
            return self.items_at(path)
        return getattr(self, f"do_{path[1:].replace('-', '_')}", None)

    def after(self, request: Request, response: Response) -> Response:
        return response

    def headers(self, request: Request, response: Response) -> dict[str, str]:
        headers = {"Server": "reference/1.0", "Date": formatdate(usegmt=True), "Content-Type": response.type}
        if response.pieces is not None:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Content-Length"] = str(len(response.body))
        return headers | response.headers

    def send(self, handler: "Handler", request: Request, response: Response) -> None:
        handler.put(response.status, self.headers(request, response))
        if response.pieces is None:
            handler.wfile.write(response.body)
        else:
            for piece in response.pieces:
                handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            handler.wfile.write(b"0\r\n\r\n")
        handler.wfile.flush()

    def reads_body(self, request: Request) -> bool:
        return True

    # What several endpoints use

    def unknown(self, request: Request) -> Response:
        return Response(status=404, body=b"not found")

    def wrong_method(self, request: Request) -> Response:
        return Response(status=405, body=b"wrong method")

    def dumps(self, value: Any) -> str:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    def json(self, value: Any, status: int = 200) -> Response:
        return Response(status=status, body=self.dumps(value).encode(), type=JSON)

    def integer(self, text: str) -> int | None:
        digits = text.removeprefix("-")
        return int(text) if digits.isascii() and digits.isdigit() else None

    def lenient(self, request: Request, name: str) -> int:
        value = self.integer(request.query.get(name, ""))
        return 1 if value is None else max(1, min(500, value))

    def strict(self, request: Request, name: str, highest: int) -> int:
        value = self.integer(request.query.get(name, ""))
        if value is None or not 0 <= value <= highest:
            raise Refused(self.refusal(name))
        return value

    def refusal(self, name: str) -> Response:
        return self.json({"error": f"{name}: not from the range"}, 400)

    def random_id(self) -> int:
        return self.random.randint(1, 10_000)

    def row(self, id: int, number: int) -> Any:
        return {"id": id, "randomNumber": number}

    def listed(self, rows: list[Any]) -> Response:
        return self.json(rows)

    # The endpoints

    def do_healthz(self, request: Request) -> Response:
        return Response(body=b"ok")

    def do_plaintext(self, request: Request) -> Response:
        return Response(body=b"Hello, World!")

    def do_json(self, request: Request) -> Response:
        return self.json({"message": "Hello, World!"})

    def do_whoami(self, request: Request) -> Response:
        return self.json(self.identity())

    def identity(self) -> dict[str, Any]:
        return {
            "framework": "reference",
            "framework_version": "1.0",
            "server": "reference/1.0",
            "python": "3.13.0",
            "implementation": "cpython",
            "loop": None,
            "pid": 4711,
            "data": "memory",
        }

    def do_db(self, request: Request) -> Response:
        id = self.random_id()
        return self.json(self.row(id, self.world[id]))

    def do_queries(self, request: Request) -> Response:
        ids = [self.random_id() for _ in range(self.lenient(request, "queries"))]
        return self.listed([self.row(id, self.world[id]) for id in ids])

    def do_cached_queries(self, request: Request) -> Response:
        if self.cache is None:
            self.cache = dict(self.world)
        ids = [self.random_id() for _ in range(self.lenient(request, "count"))]
        return self.listed([self.row(id, self.cache[id]) for id in ids])

    def do_updates(self, request: Request) -> Response:
        new = {id: self.new_number(self.world[id]) for id in self.distinct_ids(self.lenient(request, "queries"))}
        self.write(new)
        return self.listed([self.row(id, number) for id, number in new.items()])

    def distinct_ids(self, count: int) -> list[int]:
        return self.random.sample(range(1, 10_001), count)

    def new_number(self, old: int) -> int:
        return (old + self.random.randint(0, 9_998)) % 10_000 + 1

    def write(self, new: dict[int, int]) -> None:
        self.world.update(new)

    def do_fortunes(self, request: Request) -> Response:
        cells = "".join(f"<tr><td>{id}</td><td>{self.escaped(text)}</td></tr>\n" for id, text in self.fortune_rows())
        page = (
            "<!doctype html>\n<html>\n<head><title>Fortunes</title></head>\n<body><table>\n"
            f"<tr><th>id</th><th>message</th></tr>\n{cells}</table></body></html>\n"
        )
        return Response(body=self.encoded(page), type="text/html; charset=utf-8")

    def fortune_rows(self) -> list[tuple[int, str]]:
        rows = [*self.fortunes.items(), (0, "Additional fortune added at request time.")]
        return sorted(rows, key=lambda row: row[1])

    def escaped(self, text: str) -> str:
        return html.escape(text)

    def encoded(self, page: str) -> bytes:
        return page.encode()

    def do_io(self, request: Request) -> Response:
        ms = self.strict(request, "ms", 10_000)
        self.wait(ms)
        return self.json({"waited_ms": ms})

    def do_io_db(self, request: Request) -> Response:
        ms = self.strict(request, "ms", 10_000)
        self.sleepers += 1
        self.wait(ms)
        self.sleepers -= 1
        return self.json({"waited_ms": ms})

    def wait(self, ms: int) -> None:
        time.sleep(ms / 1000)

    def do_cpu(self, request: Request) -> Response:
        n = self.strict(request, "n", 10_000_000)
        x = 1
        for _ in range(n):
            x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        return self.json({"n": n, "result": x})

    def do_upload(self, request: Request) -> Response:
        if len(request.body) > self.longest_upload_bytes:
            return Response(status=413)
        return self.json({"bytes": len(request.body), "sha256": hashlib.sha256(request.body).hexdigest()})

    def do_blob(self, request: Request) -> Response:
        length = self.strict(request, "bytes", 268_435_456)
        return Response(type="application/octet-stream", pieces=self.pieces(length))

    def pieces(self, length: int) -> Iterator[bytes]:
        for at in range(0, length, len(PATTERN)):
            yield PATTERN[: min(len(PATTERN), length - at)]

    def static(self, request: Request) -> Response:
        name = unquote_to_bytes(request.path.removeprefix("/static/")).decode("utf-8", "replace")
        if name not in FILES:
            return self.outside(name)
        return Response(body=self.file(name), type="application/octet-stream")

    def items_at(self, path: str) -> Callable[[Request], Response] | None:
        if path == "/api/items":
            return self.all_items
        return self.one_item if self.is_item(path.removeprefix("/api/items/")) else None

    def is_item(self, id: str) -> bool:
        return re.fullmatch("[1-9][0-9]{0,9}", id) is not None

    def all_items(self, request: Request) -> Response:
        if request.method == "POST":
            return self.create_item(*self.item_fields(request))
        after, limit = self.optional(request, "after", 0, 0, 2_147_483_647), self.optional(request, "limit", 20, 1, 100)
        return self.json([self.item(id) for id in self.page(after, limit)])

    def optional(self, request: Request, name: str, absent: int, lowest: int, highest: int) -> int:
        value = absent if name not in request.query else self.integer(request.query[name])
        if value is None or not lowest <= value <= highest:
            raise Refused(self.refusal(name))
        return value

    def stored_items(self) -> dict[int, tuple[str, int]]:
        return dict(self.items)

    def page(self, after: int, limit: int) -> list[int]:
        return sorted(id for id in self.items if id > after)[:limit]

    def item(self, id: int) -> Any:
        name, quantity = self.items[id]
        return {"id": id, "name": name, "quantity": quantity}

    def create_item(self, name: str, quantity: int) -> Response:
        self.last_item += 1
        self.items[self.last_item] = (name, quantity)
        response = self.json(self.item(self.last_item), 201)
        response.headers = {"Location": f"/api/items/{self.last_item}"}
        return response

    def one_item(self, request: Request) -> Response:
        id = int(request.path.rpartition("/")[2])
        fields = self.item_fields(request) if request.method == "PUT" else None
        if id not in self.items:
            return self.json({"error": "item: not found"}, 404)
        if request.method == "DELETE":
            return self.delete_item(id)
        if fields is not None:
            self.replace_item(id, *fields)
        return self.json(self.item(id))

    def replace_item(self, id: int, name: str, quantity: int) -> None:
        self.items[id] = (name, quantity)

    def delete_item(self, id: int) -> Response:
        del self.items[id]
        return Response(status=204)

    def item_fields(self, request: Request) -> tuple[str, int]:
        """Raises Refused for the first thing that is wrong with the body."""
        if not self.is_json(request.headers.get("Content-Type", "")):
            raise Refused(self.json({"error": "body: not application/json"}, 415))
        if len(request.body) > self.longest_item_bytes:
            raise Refused(self.json({"error": "body: longer than 4096 bytes"}, 413))
        try:
            value = self.loads(request.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise Refused(self.json({"error": "body: not a JSON object"}, 400))
        errors = {"name": self.name_error(value), "quantity": self.quantity_error(value)}
        if any(errors.values()):
            raise Refused(self.invalid({name: reason for name, reason in errors.items() if reason}))
        return value["name"], value["quantity"]

    longest_item_bytes = 4096

    def is_json(self, media_type: str) -> bool:
        return media_type.partition(";")[0].strip().lower() == "application/json"

    def loads(self, body: bytes) -> Any:
        return json.loads(body.decode(), parse_constant=self.constant)

    def constant(self, name: str) -> Any:
        raise ValueError(name)

    def invalid(self, errors: dict[str, str]) -> Response:
        return self.json({"errors": errors}, 422)

    def name_error(self, value: dict[str, Any]) -> str | None:
        if "name" not in value:
            return "is required"
        if not isinstance(value["name"], str):
            return "must be a string"
        if not 1 <= len(value["name"]) <= 100:
            return "must have 1 to 100 characters"
        return "must be plain text" if re.search(r"[\0-\x1f\x7f\ud800-\udfff]", value["name"]) else None

    def quantity_error(self, value: dict[str, Any]) -> str | None:
        if "quantity" not in value:
            return "is required"
        if type(value["quantity"]) is not int:
            return "must be an integer"
        return None if 0 <= value["quantity"] <= 1_000_000 else "must be from 0 to 1000000"

    def outside(self, name: str) -> Response:
        return Response(status=404)

    def file(self, name: str) -> bytes:
        return (self.static_dir / name).read_bytes()


class Tables:
    """What the verifier reads and changes past the application: the site's own memory."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def world(self) -> dict[int, int]:
        return dict(self.site.world)

    def fortunes(self) -> list[tuple[int, str]]:
        return list(self.site.fortunes.items())

    def items(self) -> dict[int, tuple[str, int]]:
        return self.site.stored_items()

    @contextmanager
    def world_changed(self, *, every: int) -> Iterator[dict[int, int]]:
        before = {id: number for id, number in self.site.world.items() if id % every == 0}
        now = {id: number % 10_000 + 1 for id, number in before.items()}
        self.site.world.update(now)
        try:
            yield now
        finally:
            self.site.world.update(before)

    @contextmanager
    def fortunes_changed(self) -> Iterator[list[tuple[int, str]]]:
        before = dict(self.site.fortunes)
        self.site.fortunes.update({id: message[::-1] for id, message in before.items()})
        try:
            yield self.fortunes()
        finally:
            self.site.fortunes.update(before)

    def sleeping(self) -> bool:
        return self.site.sleepers > 0

    def alone(self, table: str) -> nullcontext[None]:
        return nullcontext()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    site: Site

    def respond(self) -> None:
        path, _, query = self.path.partition("?")
        request = Request(method=self.command, path=path, query=parsed(query), headers=self.headers, body=b"")
        if self.site.reads_body(request):
            request.body = self.body()
        response = self.site.after(request, self.site.answer(request))
        self.site.send(self, request, response)

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.respond
        raise AttributeError(name)

    def put(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while length := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(length))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients go away in the middle of an answer, and some tests break connections: no news."""


def parsed(query: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in query.split("&"))
    return {name: unquote_to_bytes(value.replace("+", " ")).decode("utf-8", "replace") for name, _, value in pairs}


class UnixServer(Server):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)

    def get_request(self) -> Any:
        connection, _ = super().get_request()
        return connection, ("local", 0)


@contextmanager
def serving(site: Site, *, unix: Path | None = None) -> Iterator[str]:
    """The site behind a free port, or the socket file; yields its URL."""
    handler = type("SiteHandler", (Handler,), {"site": site, "disable_nagle_algorithm": unix is None})
    with UnixServer(str(unix), handler) if unix else Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        try:
            yield "http://localhost" if unix else f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def make_files(folder: Path) -> Path:
    content = random.Random(7)
    for name, length in FILES.items():
        (folder / name).write_bytes(content.randbytes(length))
    return folder


@contextmanager
def tables_of(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Lets the verifier read the site's memory for a database; yields the URL that leads there."""

    @contextmanager
    def opened(url: str, **_: Any) -> Iterator[Tables]:
        yield Tables(site)

    with monkeypatch.context() as patch:
        patch.setattr("bench.verify.database.opened", opened)
        yield "postgresql://memory"


Mutations = list[tuple[type[Site], str]]


def breaks(rule: str, mutations: Mutations) -> Callable[[type[Site]], type[Site]]:
    """Registers a site that breaks a rule, given as `endpoint.rule`."""

    def register(site: type[Site]) -> type[Site]:
        mutations.append((site, rule))
        return site

    return register


def each(mutations: Mutations) -> pytest.MarkDecorator:
    """Parametrises a test over them."""
    ids = [f"{rule}-{site.__name__}" for site, rule in mutations]
    return pytest.mark.parametrize(("site_class", "rule"), mutations, ids=ids)


def limit_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lower bound for the longest body on both sides: 64 MiB take their time."""
    monkeypatch.setattr(bodies, "LONGEST_UPLOAD_BYTES", 4_000_000)
    monkeypatch.setattr(Site, "longest_upload_bytes", 4_000_000)


def assert_reported(
    site_class: type[Site],
    rule: str,
    static_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    others: tuple[str, ...] = (),
) -> Report:
    """The rule is reported under its endpoint, and nothing is reported of another endpoint."""
    endpoint, _, name = rule.partition(".")
    if endpoint == "upload":  # the true bound is tested once, where nothing is broken
        limit_uploads(monkeypatch)
    # Of those of /api/items, which are many, only the one: each makes its items itself. `headers` are those of all answers.
    all_of_them = endpoint != "api/items" or name == "headers"
    concerned = [
        one for one in core.OWN_RULES if one.endpoint in (endpoint, *others) and (all_of_them or one.name == name)
    ]
    monkeypatch.setattr(core, "OWN_RULES", concerned)
    if endpoint != "*":
        monkeypatch.setattr(connections, "rules", lambda endpoints: ())
    site = site_class(static_dir)
    with serving(site) as url, tables_of(site, monkeypatch) as database_url:
        report = verify(
            url,
            endpoints=[name for name in (endpoint, *others) if name != "*"],
            database_url=database_url,
            static_dir=static_dir,
            data="memory",
            timeout_s=5,
        )
    reported = {f"{failure.endpoint}.{failure.rule}" for failure in report.failures}
    assert rule in reported
    assert {name.partition(".")[0] for name in reported} <= {endpoint, *others}
    return report
