"""The endpoints of faults.py."""

from http import HTTPStatus

import faults
from resources import ContractResource, Folder, NotFound, Refusal, json_answer, later, raw_parameter
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import Request


class Faults(Folder):
    def getChild(self, path: bytes, request: Request) -> Resource:
        name = path.decode("latin-1")
        secret = request.getHeader("X-Fault-Secret")
        return OneFault(name) if faults.allowed(name, secret) else NotFound()


class OneFault(ContractResource):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def render_GET(self, request: Request) -> int:
        try:
            asked = faults.read(self.name, lambda name: text_parameter(request, name))
        except ValueError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, {"error": str(error)}) from None
        committed = deferLater(reactor, asked.after_s, commit, asked)
        return later(request, committed.addCallback(lambda answer: json_answer(request, answer)))

    def render_POST(self, request: Request) -> int:
        return self.render_GET(request)


def commit(asked: faults.Fault) -> dict[str, object] | Deferred[dict[str, object]]:
    pool = faults.executor(asked.where)
    if pool is None:
        return faults.commit(asked)
    return deferToThread(lambda: pool.submit(faults.commit, asked).result())


def text_parameter(request: Request, name: str) -> str | None:
    raw = raw_parameter(request, name)
    return None if raw is None else raw.decode("latin-1")
