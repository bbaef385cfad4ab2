"""The endpoints, and the rules that hold for every one of them alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from bench.verify.judge import BYTES, HTML, JSON, TEXT, expect_status, expect_type
from bench.verify.rule import Probe, Rule


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """`target` is a request that must be answered 200, `others` are methods that the endpoint defines beside its own.

    The rules of one with a `table` look at its rows, which it writes, or another endpoint or the verifier. One that is not to be asked
    `beside_others` has bodies so long that a server which closes kept connections meanwhile would be judged for that.
    """

    name: str
    target: str
    content_type: str | None
    method: str = "GET"
    others: tuple[str, ...] = ()
    table: str | None = None
    beside_others: bool = True

    def body(self, method: str) -> bytes | None:
        """Something to send where the method is one that has a body."""
        return b"hello world" if method in ("POST", "PUT", "PATCH") else None


# Those that write come last, as in a run: what was verified before is then the data as it was filled.
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(name="healthz", target="/healthz", content_type=TEXT),
    Endpoint(name="plaintext", target="/plaintext", content_type=TEXT),
    Endpoint(name="json", target="/json", content_type=JSON),
    Endpoint(name="whoami", target="/whoami", content_type=JSON),
    Endpoint(name="io", target="/io?ms=1", content_type=JSON),
    Endpoint(name="cpu", target="/cpu?n=10", content_type=JSON),
    Endpoint(name="upload", target="/upload", content_type=JSON, method="POST", beside_others=False),
    Endpoint(name="blob", target="/blob?bytes=10", content_type=BYTES),
    Endpoint(name="static", target="/static/1kb.bin", content_type=None),
    Endpoint(name="io-db", target="/io-db?ms=1", content_type=JSON),
    Endpoint(name="fortunes", target="/fortunes", content_type=HTML, table="fortune"),
    Endpoint(name="db", target="/db", content_type=JSON, table="world"),
    Endpoint(name="queries", target="/queries?queries=2", content_type=JSON, table="world"),
    Endpoint(name="cached-queries", target="/cached-queries?count=2", content_type=JSON, table="world"),
    Endpoint(name="api/items", target="/api/items?limit=2", content_type=JSON, others=("POST",), table="item"),
    Endpoint(name="updates", target="/updates?queries=2", content_type=JSON, table="world"),
)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""HEAD and OPTIONS are unspecified."""


def shared_rules(endpoint: Endpoint) -> Iterator[Rule]:
    """Those of one endpoint; the first is the one without which the others make no sense."""
    asked = f"{endpoint.method} {endpoint.target}"
    yield Rule(
        endpoint=endpoint.name,
        name="status",
        expected=f"{asked}: status 200",
        check=partial(_answers, endpoint),
    )
    if endpoint.content_type is not None:
        yield Rule(
            endpoint=endpoint.name,
            name="type",
            expected=f"{asked}: Content-Type: {endpoint.content_type}",
            check=partial(_has_type, endpoint, endpoint.content_type),
        )
    for method in METHODS:
        if method not in (endpoint.method, *endpoint.others):
            yield Rule(
                endpoint=endpoint.name,
                name="405",
                expected=f"{method} {endpoint.target}: status 405",
                check=partial(_refuses, endpoint, method),
            )


def _answers(endpoint: Endpoint, probe: Probe) -> None:
    answer = probe.wire.ask(endpoint.method, endpoint.target, body=endpoint.body(endpoint.method))
    expect_status(answer, 200)


def _has_type(endpoint: Endpoint, content_type: str, probe: Probe) -> None:
    answer = probe.wire.ask(endpoint.method, endpoint.target, body=endpoint.body(endpoint.method))
    expect_type(answer, content_type)


def _refuses(endpoint: Endpoint, method: str, probe: Probe) -> None:
    expect_status(probe.ask_early(method, endpoint.target, body=endpoint.body(method)), 405)
