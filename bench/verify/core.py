"""Checks a running server against the contract, rule by rule."""

import difflib
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.model import BenchError
from bench.verify import bodies, connections, constant, database, files, fortunes, items, rows, updates, work
from bench.verify.endpoints import ENDPOINTS, Endpoint, shared_rules
from bench.verify.judge import extra_fault, header_fault
from bench.verify.report import Check, Report, Skip, shown
from bench.verify.rule import AnswerLostError, BrokenError, NotCheckedError, Probe, Rule, Tables
from bench.verify.wire import Answer, GaveUpError, TransportError, Wire

OWN_RULES: tuple[Rule, ...] = (
    *constant.RULES,
    *work.RULES,
    *bodies.RULES,
    *files.RULES,
    *fortunes.RULES,
    *rows.RULES,
    *updates.RULES,
    *items.RULES,
)

LANES: tuple[tuple[str | None, ...], ...] = ((None, "fortune"), ("world",), ("item",))
"""Whose endpoints, by table, are asked one after the other. What is in one lane needs no rows of another's, so all lanes go at once."""


def verify(
    base_url: str,
    *,
    unix: Path | None = None,
    omits: Collection[str] = (),
    static: bool = True,
    endpoints: Collection[str] | None = None,
    database_url: str | None = None,
    static_dir: Path | None = None,
    data: str | None = None,
    timeout_s: float = 10.0,
) -> Report:
    """Ask a server everything that `apps/CONTRACT.md` says, over TCP or over the socket file `unix`.

    `omits`: response headers that it need not send; `chunked-request` where it cannot read such bodies; `early-answer` and
    `kept-promise` where it may close a connection too soon. `static` is False where nobody serves /static. `endpoints` (such as
    `io-db` or `/io-db`) narrows the checking down; None means all. With `database_url`, the application's own, what is read and
    written is compared with the tables, in which rows are changed for a moment; with `static_dir`, files with files; with `data`,
    the manifest's label, what /whoami names. One request may take `timeout_s`, all together 18 times that.

    Whatever the server does becomes a line of the report. Raises BenchError for arguments that make no sense, and where
    `database_url` leads to no such tables.
    """
    chosen = _chosen(endpoints)
    log = _Log(omits=frozenset(name.lower() for name in omits))
    if not static and any(endpoint.name == "static" for endpoint in chosen):
        chosen = tuple(endpoint for endpoint in chosen if endpoint.name != "static")
        log.skip("static", "*", "nothing serves /static here")
    names = frozenset(endpoint.name for endpoint in chosen)
    with ExitStack() as stack:

        def lane(own: list[Endpoint], tables: Tables | None) -> _Lane:
            wire = stack.enter_context(Wire(base_url, unix=unix, timeout_s=timeout_s))
            probe = Probe(wire=wire, tables=tables, static_dir=static_dir, data=data, omits=log.omits, endpoints=names)
            return _Lane(endpoints=own, probe=probe, log=_Log(omits=log.omits))

        beside = []
        for about in LANES:
            tables = stack.enter_context(database.opened(database_url, timeout_s=timeout_s)) if database_url else None
            beside.append(lane([one for one in chosen if one.beside_others and one.table in about], tables))
        # Asked once the others are through, so that it needs no connection to the database of its own.
        alone = lane([one for one in chosen if not one.beside_others], beside[0].probe.tables)
        _check_all(beside, alone, log)
    target = f"{base_url} over {unix}" if unix else base_url
    return Report(target=target, checks=tuple(log.checks), skipped=tuple(log.skipped))


def _chosen(names: Collection[str] | None) -> tuple[Endpoint, ...]:
    if names is None:
        return ENDPOINTS
    wanted = {name.removeprefix("/") for name in names}
    known = [endpoint.name for endpoint in ENDPOINTS]
    for name in sorted(wanted.difference(known)):
        near = difflib.get_close_matches(name, known, n=3) or known
        raise BenchError(f"the contract has no endpoint {name!r}; is it {', '.join(near)}?")
    return tuple(endpoint for endpoint in ENDPOINTS if endpoint.name in wanted)


@dataclass(kw_only=True)
class _Log:
    omits: frozenset[str]
    checks: list[Check] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)

    def hold(self, endpoint: str, rule: str, expected: str) -> None:
        self.checks.append(Check(endpoint=endpoint, rule=rule, expected=shown(expected)))

    def fail(self, endpoint: str, rule: str, expected: str, got: str) -> None:
        self.checks.append(Check(endpoint=endpoint, rule=rule, expected=shown(expected), got=shown(got)))

    def skip(self, endpoint: str, rule: str, reason: str) -> None:
        skip = Skip(endpoint=endpoint, rule=rule, reason=shown(reason))
        if skip not in self.skipped:
            self.skipped.append(skip)


@dataclass(kw_only=True)
class _Lane:
    """Endpoints that are asked one after the other, and `answering`: those of them that were answered 200."""

    endpoints: list[Endpoint]
    probe: Probe
    log: _Log
    answering: set[str] = field(default_factory=set)


def _check_all(beside: list[_Lane], alone: _Lane, log: _Log) -> None:
    """The endpoints of each lane at once with those of the others: most of the time is waiting. Then `alone`."""
    with ThreadPoolExecutor(len(beside)) as pool:
        try:
            gave_up = [reason for reason in pool.map(_check_lane, beside) if reason]
        except BaseException:  # Ctrl-C: the pool waits for the lanes, and they need not go on
            for lane in beside:
                lane.probe.wire.abandon()
            raise
    if not gave_up and (reason := _check_lane(alone)):
        gave_up.append(reason)
    lanes = [*beside, alone]
    for lane in lanes:
        log.checks += lane.log.checks
        for skip in lane.log.skipped:
            log.skip(skip.endpoint, skip.rule, skip.reason)
    answering = frozenset().union(*(lane.answering for lane in lanes))
    probe = alone.probe
    if not gave_up:
        anywhere = (rule for rule in OWN_RULES if rule.endpoint == "*")
        try:
            _check_each((*anywhere, *connections.rules(answering)), probe, log, alone=None)
            _check_headers("*", probe, log)
        except GaveUpError as reason:
            gave_up.append(reason)
    if gave_up:
        log.fail("*", "transport", "a server that answers, to the end of the verification", str(gave_up[0]))
        log.skip("*", "*", "the rules that were left, since the verification ended early")


def _check_lane(lane: _Lane) -> GaveUpError | None:
    """Why it was not gone through to the end, or None."""
    try:
        for endpoint in lane.endpoints:
            _check_endpoint(endpoint, lane)
        after = (rule for rule in rows.RULES_AFTER_UPDATES if rule.endpoint in lane.answering)
        _check_each(after, lane.probe, lane.log, alone="world")
    except GaveUpError as reason:
        return reason
    return None


def _check_endpoint(endpoint: Endpoint, lane: _Lane) -> None:
    own = (rule for rule in OWN_RULES if rule.endpoint == endpoint.name)
    first, *others = (*shared_rules(endpoint), *own)
    if _check(first, lane.probe, lane.log, alone=endpoint.table):
        lane.answering.add(endpoint.name)
        _check_each(others, lane.probe, lane.log, alone=endpoint.table)
    else:
        asked = f"{endpoint.method} {endpoint.target}"
        lane.log.skip(endpoint.name, "*", f"its other rules, since {asked} is not answered 200")
    _check_headers(endpoint.name, lane.probe, lane.log)


def _check_each(rules: Iterable[Rule], probe: Probe, log: _Log, *, alone: str | None) -> None:
    for rule in rules:
        _check(rule, probe, log, alone=alone)


def _check(rule: Rule, probe: Probe, log: _Log, *, alone: str | None) -> bool:
    """Whether the rule holds, as far as it can be checked. Raises GaveUpError."""
    try:
        with probe.alone(alone) if alone else nullcontext(), suppress(AnswerLostError):
            rule.check(probe)
    except BrokenError as broken:
        log.fail(rule.endpoint, rule.name, rule.expected, str(broken))
    except TransportError as fault:
        log.fail(rule.endpoint, "transport", f"{fault.asked}: an answer", fault.fault)
    except psycopg.Error as error:
        log.fail(rule.endpoint, rule.name, rule.expected, f"unknown, the database could not be read: {error}")
    except NotCheckedError as reason:
        log.skip(rule.endpoint, rule.name, str(reason))
        return True
    else:
        log.hold(rule.endpoint, rule.name, rule.expected)
        return True
    return False


def _check_headers(endpoint: str, probe: Probe, log: _Log) -> None:
    """Two rules over all answers that the endpoint's other rules have received."""
    answers, probe.wire.seen[:] = list(probe.wire.seen), []
    if not answers:
        return
    names = [name for name in ("Server", "Date") if name.lower() not in log.omits]
    expected = f"{', '.join((*names, 'Content-Length'))} or Transfer-Encoding: chunked, on every response"
    faults = ((answer, header_fault(answer, log.omits)) for answer in answers if not _was_refused(endpoint, answer))
    _record(endpoint, "headers", expected, faults, log)
    allowed = ("etag",) if endpoint == "static" else ()
    extras = ((answer, extra_fault(answer, allowed)) for answer in answers)
    _record(endpoint, "extras", "no Set-Cookie, ETag or Content-Encoding", extras, log)


def _was_refused(endpoint: str, answer: Answer) -> bool:
    # No parameter is strict here: the server did not let a hostile address, or too long a body, through to the application.
    return endpoint in ("static", "upload", "*") and answer.status in (400, 413)


def _record(endpoint: str, rule: str, expected: str, faults: Iterable[tuple[Answer, str | None]], log: _Log) -> None:
    for answer, fault in faults:
        if fault is not None:
            log.fail(endpoint, rule, expected, f"{answer.asked} ({answer.status}): {fault}")
            return
    log.hold(endpoint, rule, expected)
