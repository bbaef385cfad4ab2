"""The endpoints that need no database."""

import asyncio
import hashlib
import os
import platform
import sys

import twisted
from resources import ContractResource, Folder, NotFound, json_answer, later, strict
from twisted.internet import interfaces, reactor
from twisted.internet.task import deferLater
from twisted.python.filepath import FilePath, InsecurePath
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from twisted.web.static import File
from zope.interface import implementer

WAIT_MAX_MS = 10_000
ROUNDS_MAX = 10_000_000
UPLOAD_MAX_BYTES = 64 * 1024 * 1024
BLOB_MAX_BYTES = 256 * 1024 * 1024
PIECE = bytes(range(256)) * 256


class Text(ContractResource):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        return self.text.encode()


class Json(ContractResource):
    def render_GET(self, request: Request) -> bytes:
        return json_answer(request, {"message": "Hello, World!"})


class Io(ContractResource):
    def render_GET(self, request: Request) -> int:
        ms = strict(request, "ms", WAIT_MAX_MS)
        return later(request, deferLater(reactor, ms / 1000, json_answer, request, {"waited_ms": ms}))


class Cpu(ContractResource):
    def render_GET(self, request: Request) -> bytes:
        rounds = strict(request, "n", ROUNDS_MAX)
        x = 1
        for _ in range(rounds):
            x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        return json_answer(request, {"n": rounds, "result": x})


class Upload(ContractResource):
    """Twisted has read the body by now, a long one into a temporary file."""

    def render_POST(self, request: Request) -> bytes:
        digest = hashlib.sha256()
        size_bytes = 0
        while piece := request.content.read(len(PIECE)):
            digest.update(piece)
            size_bytes += len(piece)
        return json_answer(request, {"bytes": size_bytes, "sha256": digest.hexdigest()})


class BoundedRequest(Request):
    """Reads no body that is longer than any endpoint takes: Twisted by itself would fill the disk."""

    def gotLength(self, length: int | None) -> None:
        super().gotLength(length)
        if (length or 0) > UPLOAD_MAX_BYTES:
            self.transport.abortConnection()

    def handleContentChunk(self, data: bytes) -> None:
        if self.content.tell() + len(data) > UPLOAD_MAX_BYTES:  # it came in chunks
            self.transport.abortConnection()
        else:
            super().handleContentChunk(data)


class Blob(ContractResource):
    def render_GET(self, request: Request) -> int:
        length_bytes = strict(request, "bytes", BLOB_MAX_BYTES)
        request.setHeader(b"Content-Type", b"application/octet-stream")
        request.setHeader(b"Content-Length", str(length_bytes).encode())
        request.registerProducer(Pieces(request, length_bytes), False)
        return NOT_DONE_YET


@implementer(interfaces.IPullProducer)
class Pieces:
    """Is asked for the next piece whenever the connection has taken the last one."""

    def __init__(self, request: Request, left_bytes: int) -> None:
        self.request = request
        self.left_bytes = left_bytes

    def resumeProducing(self) -> None:
        if self.left_bytes > 0:
            piece = PIECE[: self.left_bytes]
            self.left_bytes -= len(piece)
            self.request.write(piece)
        else:
            self.request.unregisterProducer()
            self.request.finish()

    def stopProducing(self) -> None:
        """The client went away; nobody is left to tell."""
        self.left_bytes = 0


class StaticFile(ContractResource, File):
    """One file, which answers errors as all resources do."""

    def __init__(self, path: str) -> None:
        File.__init__(self, path, defaultType="application/octet-stream")

    def getChild(self, path: bytes, request: Request) -> Resource:
        return NotFound()


class Static(Folder):
    """The files of one folder: no listing of it, and no folders within."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = FilePath(folder)

    def getChild(self, path: bytes, request: Request) -> Resource:
        try:
            file = self.folder.child(os.fsdecode(path))
            found = file.isfile()
        except (InsecurePath, ValueError):  # ValueError: there is a NUL in it
            return NotFound()
        return StaticFile(file.path) if found else NotFound()


class WhoAmI(ContractResource):
    def render_GET(self, request: Request) -> bytes:
        return json_answer(
            request,
            {
                "framework": "twisted",
                "framework_version": twisted.__version__,
                "server": f"twisted/{twisted.__version__}",
                "python": platform.python_version(),
                "implementation": sys.implementation.name,
                "loop": loop(),
                "pid": os.getpid(),
                "data": "adbapi on psycopg 3",
            },
        )


def loop() -> str:
    """The module of asyncio's loop where the reactor runs on one, else that of the reactor."""
    try:
        return type(asyncio.get_running_loop()).__module__.partition(".")[0]
    except RuntimeError:
        return type(reactor).__module__
