"""Broken on purpose: the endpoints that read and write World."""

import random
import re
from pathlib import Path

import psycopg
import pytest
from verify_reference import Mutations, Response, Site, Tables, assert_reported, breaks, each, serving, tables_of

from bench.verify import connections, core, verify

MUTATIONS: Mutations = []


@breaks("db.body", MUTATIONS)
class KeysInAnotherOrder(Site):
    def row(self, id, number):
        return {"randomNumber": number, "id": id}


@breaks("db.body", MUTATIONS)
class KeyInLowerCase(Site):
    def row(self, id, number):
        return {"id": id, "randomnumber": number}


@breaks("db.body", MUTATIONS)
class NumbersAsText(Site):
    def row(self, id, number):
        return {"id": str(id), "randomNumber": number}


@breaks("db.body", MUTATIONS)
class NumbersBeyondTheRange(Site):
    def row(self, id, number):
        return {"id": id, "randomNumber": number + 10_000}


@breaks("db.body", MUTATIONS)
class ListForOne(Site):
    def do_db(self, request):
        return self.json([self.row(1, self.world[1])])


@breaks("db.random", MUTATIONS)
class AlwaysTheSameRow(Site):
    def random_id(self):
        return 7


@breaks("db.random", MUTATIONS)
class WorkersWithOneSeed(Site):
    asked = 0

    def random_id(self):
        self.asked += 1
        return 1 + self.asked // 4


@breaks("db.stored", MUTATIONS)
class RowsFromNowhere(Site):
    def row(self, id, number):
        return {"id": id, "randomNumber": number % 10_000 + 1}


@breaks("queries.lenient", MUTATIONS)
class ObjectForOne(Site):
    def listed(self, rows):
        return self.json(rows[0] if len(rows) == 1 else rows)


@breaks("queries.lenient", MUTATIONS)
class WithoutUpperBound(Site):
    def lenient(self, request, name):
        return max(1, min(600, self.integer(request.query.get(name, "")) or 1))


@breaks("queries.lenient", MUTATIONS)
class EmptyForZero(Site):
    def lenient(self, request, name):
        return 0 if request.query.get(name) == "0" else super().lenient(request, name)


@breaks("queries.lenient", MUTATIONS)
class RefusingWhatIsNoNumber(Site):
    def lenient(self, request, name):
        self.strict(request, name, 10**1000)
        return super().lenient(request, name)


@breaks("queries.lenient", MUTATIONS)
class TakingWhatPythonTakes(Site):
    def integer(self, text):
        try:
            return int(text)
        except ValueError:
            return None


@breaks("queries.lenient", MUTATIONS)
class OverflowingIntegers(Site):
    def integer(self, text):
        value = super().integer(text)
        return value if value is None or abs(value) < 2**63 else None


@breaks("queries.body", MUTATIONS)
class QueriesWithSpaces(Site):
    def dumps(self, value):
        return super().dumps(value).replace(",", ", ")


@breaks("queries.random", MUTATIONS)
class FewRows(Site):
    def random_id(self):
        return self.random.randint(1, 300)


@breaks("queries.stored", MUTATIONS)
class OneRowIsWrong(Site):
    def do_queries(self, request):
        rows = [(id, self.world[id]) for id in self.distinct_ids(self.lenient(request, "queries"))]
        rows[-1] = (rows[-1][0], rows[-1][1] % 10_000 + 1)
        return self.listed([self.row(*row) for row in rows])


@breaks("db.stored", MUTATIONS)
@breaks("queries.stored", MUTATIONS)
class RowsFromMemory(Site):
    """Reads World once, when it is first asked."""

    kept: dict[int, int] | None = None

    def memory(self):
        self.kept = self.kept or dict(self.world)
        return self.kept

    def do_db(self, request):
        id = self.random_id()
        return self.json(self.row(id, self.memory()[id]))

    def do_queries(self, request):
        ids = [self.random_id() for _ in range(self.lenient(request, "queries"))]
        return self.listed([self.row(id, self.memory()[id]) for id in ids])


@breaks("db.stored", MUTATIONS)
@breaks("queries.stored", MUTATIONS)
class RowsFromTheMemoryOfFive(RowsFromMemory):
    """One of five processes answers, by chance."""

    def memory(self):
        self.memories = getattr(self, "memories", {})
        return self.memories.setdefault(random.randrange(5), dict(self.world))


@breaks("db.stored", MUTATIONS)
@breaks("queries.stored", MUTATIONS)
class RowsFromMemoryThatUpdatesWriteThrough(RowsFromMemory):
    def write(self, new):
        super().write(new)
        self.memory().update(new)


@breaks("cached-queries.stored", MUTATIONS)
class CacheFromNowhere(Site):
    def do_cached_queries(self, request):
        self.cache = {id: 1 + id % 10_000 for id in self.world}
        return super().do_cached_queries(request)


@breaks("cached-queries.cached", MUTATIONS)
class NoCache(Site):
    def do_cached_queries(self, request):
        self.cache = None
        return super().do_cached_queries(request)


@breaks("cached-queries.lenient", MUTATIONS)
class CountUnderAnotherName(Site):
    def do_cached_queries(self, request):
        request.query["count"] = request.query.get("queries", "")
        return super().do_cached_queries(request)


@breaks("updates.written", MUTATIONS)
class WritingNothing(Site):
    def write(self, new):
        pass


@breaks("updates.written", MUTATIONS)
class WritingAllButTheLast(Site):
    def write(self, new):
        super().write(dict(list(new.items())[:-1]))


@breaks("updates.written", MUTATIONS)
class WritingMoreThanItSays(Site):
    def write(self, new):
        super().write({other: 1 + self.world[other] % 10_000 for other in (*new, 1, 10_000)} | new)


@breaks("updates.distinct", MUTATIONS)
class UpdatingTwice(Site):
    def do_updates(self, request):
        ids = [self.random_id() for _ in range(self.lenient(request, "queries"))]
        self.write({id: self.new_number(self.world[id]) for id in ids})
        return self.listed([self.row(id, self.world[id]) for id in ids])


@breaks("updates.changed", MUTATIONS)
class KeepingNumbers(Site):
    def new_number(self, old):
        return old


@breaks("updates.random", MUTATIONS)
class AlwaysTheSameNumber(Site):
    def new_number(self, old):
        return 2 if old == 1 else 1


@breaks("updates.random", MUTATIONS)
class AlwaysTheFirstRows(Site):
    def distinct_ids(self, count):
        return list(range(1, count + 1))


@breaks("updates.lenient", MUTATIONS)
class NoUpdatesWithoutNumber(Site):
    def do_updates(self, request):
        return Response(status=500) if "queries" not in request.query else super().do_updates(request)


@each(MUTATIONS)
def test_a_broken_rule_is_reported(site_class, rule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    others = ("updates",) if rule == "cached-queries.cached" else ()
    assert_reported(site_class, rule, tmp_path, monkeypatch, others=others)


def test_a_failure_names_the_request_and_what_came(tmp_path, monkeypatch):
    report = assert_reported(WithoutUpperBound, "queries.lenient", tmp_path, monkeypatch)
    failure = next(failure for failure in report.failures if "501" in failure.expected)
    assert failure.expected == "GET /queries?queries=501: a list of 500"
    assert failure.got == "a list of 501"


def test_a_database_that_fails_meanwhile_is_a_failure_of_the_rule(tmp_path, monkeypatch):
    def fail(tables):
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(Tables, "world", fail)
    report = assert_reported(Site, "db.stored", tmp_path, monkeypatch)
    assert report.failures[0].got == "unknown, the database could not be read: the connection is lost"


class ProcessThatIsAskedLate(Site):
    """Of two processes the one that answers after /updates has not been asked before, so its cache has what /updates wrote."""

    updated = False
    late: dict[int, int] | None = None

    def do_updates(self, request):
        self.updated = True
        return super().do_updates(request)

    def do_cached_queries(self, request):
        if self.updated:
            self.late = self.cache = self.late or dict(self.world)
        return super().do_cached_queries(request)


def test_a_cache_that_was_filled_after_updates_is_asked_after_further_ones(tmp_path, monkeypatch):
    asked = ("cached-queries", "updates")
    monkeypatch.setattr(core, "OWN_RULES", [one for one in core.OWN_RULES if one.endpoint in asked])
    monkeypatch.setattr(connections, "rules", lambda endpoints: ())
    site = ProcessThatIsAskedLate(tmp_path)
    with serving(site) as url, tables_of(site, monkeypatch) as database_url:
        report = verify(url, endpoints=asked, database_url=database_url, static_dir=tmp_path, timeout_s=5)
    assert report.failures == ()
    assert site.late is not None


@pytest.mark.parametrize("site_class", [RowsFromMemory, RowsFromMemoryThatUpdatesWriteThrough])
def test_rows_from_memory_are_named_with_what_is_in_the_table(site_class, tmp_path, monkeypatch):
    site = site_class(tmp_path)
    with serving(site) as url, tables_of(site, monkeypatch) as database_url:
        report = verify(url, endpoints=["db", "queries", "updates"], database_url=database_url)
    assert [(failure.endpoint, failure.rule) for failure in report.failures] == [
        ("db", "stored"),
        ("queries", "stored"),
    ]
    for failure in report.failures:
        assert failure.expected.endswith("after /updates and another connection have changed rows")
        assert re.fullmatch(r"id \d+: \d+, in the table: \d+", failure.got)


def test_without_a_database_rows_from_memory_are_found_by_what_updates_wrote(tmp_path):
    with serving(RowsFromMemory(tmp_path)) as url:
        report = verify(url, endpoints=["db", "queries", "updates"])
    assert [(failure.endpoint, failure.rule) for failure in report.failures] == [("queries", "stored")]
    assert re.fullmatch(r"id \d+: \d+, what /updates wrote: \d+", report.failures[0].got)


def test_without_a_database_updates_of_others_are_no_failure(tmp_path):
    class SomebodyElseWrites(Site):
        updated = disturbed = False

        def do_updates(self, request):
            self.updated = True
            return super().do_updates(request)

        def do_queries(self, request):
            if self.updated and not self.disturbed:
                self.disturbed = True
                self.world = {id: self.new_number(number) for id, number in self.world.items()}
            return super().do_queries(request)

    site = SomebodyElseWrites(tmp_path)
    with serving(site) as url:
        report = verify(url, endpoints=["queries", "updates"])
    assert report.failures == ()
    assert site.disturbed


@pytest.mark.parametrize("site_class", [Site, RowsFromMemory])
def test_rows_that_the_verifier_changes_are_put_back(site_class, tmp_path, monkeypatch):
    site = site_class(tmp_path)
    before = dict(site.world), dict(site.fortunes)
    with serving(site) as url, tables_of(site, monkeypatch) as database_url:
        report = verify(url, endpoints=["db", "queries", "fortunes"], database_url=database_url)
    assert report.passed == (site_class is Site)
    assert (site.world, site.fortunes) == before
