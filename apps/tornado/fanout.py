"""/fanout calls another service, several times at once."""

import os

from handlers import Handler
from tornado.gen import multi
from tornado.httpclient import AsyncHTTPClient

MOST_CALLS = 20
LONGEST_MS = 10_000

# By default ten calls at a time for the whole process; the others would wait in a queue. Connections are not kept either way.
AsyncHTTPClient.configure(None, max_clients=10_000)


class Fanout(Handler):
    async def get(self) -> None:
        calls, ms = self.strict("n", MOST_CALLS, lowest=1), self.strict("ms", LONGEST_MS)
        url = f"{os.environ['UPSTREAM_URL']}/wait?ms={ms}"
        await multi([AsyncHTTPClient().fetch(url, request_timeout=30) for _ in range(calls)])
        self.finish_json({"calls": calls, "waited_ms": ms})


routes = [("/fanout", Fanout)]
