"""Broken on purpose: the resource of items."""

import json
from pathlib import Path

import pytest
from verify_reference import Mutations, Refused, Response, Site, assert_reported, breaks, each, serving, tables_of

from bench.verify import verify

MUTATIONS: Mutations = []


@breaks("api/items.created", MUTATIONS)
class CreatedWith200(Site):
    def create_item(self, name, quantity):
        response = super().create_item(name, quantity)
        response.status = 200
        return response


@breaks("api/items.created", MUTATIONS)
class WithoutLocation(Site):
    def create_item(self, name, quantity):
        response = super().create_item(name, quantity)
        response.headers = {}
        return response


@breaks("api/items.created", MUTATIONS)
class LocationOfAnother(Site):
    def create_item(self, name, quantity):
        response = super().create_item(name, quantity)
        response.headers = {"Location": "/api/items/1"}
        return response


@breaks("api/items.created", MUTATIONS)
class CreatingTheSameAgain(Site):
    def create_item(self, name, quantity):
        self.last_item = 24
        return super().create_item(name, quantity)


@breaks("api/items.opened", MUTATIONS)
class OpensAnother(Site):
    def one_item(self, request):
        if request.method == "GET":
            request.path = f"/api/items/{max(self.items)}"
        return super().one_item(request)


@breaks("api/items.opened", MUTATIONS)
class KeysInAnotherOrder(Site):
    def item(self, id):
        return dict(reversed(super().item(id).items()))


@breaks("api/items.replaced", MUTATIONS)
class EditingNothing(Site):
    def replace_item(self, id, name, quantity):
        pass


@breaks("api/items.replaced", MUTATIONS)
class EditingTheNextAsWell(Site):
    def replace_item(self, id, name, quantity):
        super().replace_item(id, name, quantity)
        self.items[id + 1] = (name, quantity)


@breaks("api/items.replaced", MUTATIONS)
class EditingInPart(Site):
    def replace_item(self, id, name, quantity):
        super().replace_item(id, name, self.items[id][1])


@breaks("api/items.deleted", MUTATIONS)
class DeletingNothing(Site):
    def delete_item(self, id):
        return Response(status=204)


@breaks("api/items.deleted", MUTATIONS)
class DeletedWith200(Site):
    def delete_item(self, id):
        super().delete_item(id)
        return Response(status=200)


@breaks("api/items.deleted", MUTATIONS)
class DeletingAllAbove(Site):
    def delete_item(self, id):
        self.items = {key: value for key, value in self.items.items() if key < id}
        return Response(status=204)


@breaks("api/items.headers", MUTATIONS)
class ADeletedItemHasALength(Site):
    def headers(self, request, response):
        headers = super().headers(request, response)
        return headers | {"Content-Length": "5"} if response.status == 204 else headers


@breaks("api/items.list", MUTATIONS)
class NewestFirst(Site):
    def page(self, after, limit):
        return super().page(after, limit)[::-1]


@breaks("api/items.list", MUTATIONS)
class IncludingTheOneAfterWhich(Site):
    def page(self, after, limit):
        return super().page(after - 1, limit)


@breaks("api/items.list", MUTATIONS)
class EditedLast(Site):
    def page(self, after, limit):
        return [id for id in self.items if id > after][:limit]

    def replace_item(self, id, name, quantity):
        del self.items[id]
        super().replace_item(id, name, quantity)


@breaks("api/items.list", MUTATIONS)
class PagesOfTen(Site):
    def page(self, after, limit):
        return super().page(after, 10 if limit == 20 else limit)


@breaks("api/items.list", MUTATIONS)
class AnObjectOfItems(Site):
    def all_items(self, request):
        response = super().all_items(request)
        if request.method == "GET":
            response.body = b'{"items":' + response.body + b"}"
        return response


@breaks("api/items.400", MUTATIONS)
class LenientLimit(Site):
    def optional(self, request, name, absent, lowest, highest):
        return max(lowest, min(highest, self.integer(request.query.get(name, "")) or absent))


@breaks("api/items.400", MUTATIONS)
class WithoutHighestLimit(Site):
    def optional(self, request, name, absent, lowest, highest):
        return super().optional(request, name, absent, lowest, 2**31 - 1)


@breaks("api/items.text", MUTATIONS)
class EscapedNames(Site):
    def item(self, id):
        item = super().item(id)
        return item | {"name": item["name"].replace("<", "&lt;")}


@breaks("api/items.text", MUTATIONS)
class TrimmedNames(Site):
    def create_item(self, name, quantity):
        return super().create_item(name.strip() or "none", quantity)


@breaks("api/items.text", MUTATIONS)
class JsonInAscii(Site):
    def dumps(self, value):
        return json.dumps(value, separators=(",", ":"))


@breaks("api/items.missing", MUTATIONS)
class EmptyWhereNothingIs(Site):
    def one_item(self, request):
        response = super().one_item(request)
        return Response(status=404) if response.status == 404 else response


@breaks("api/items.missing", MUTATIONS)
class FailingBeyondTheTable(Site):
    def one_item(self, request):
        return Response(status=500) if request.path.endswith("/9999999999") else super().one_item(request)


@breaks("api/items.missing", MUTATIONS)
class PutMakesItems(Site):
    def one_item(self, request):
        if request.method == "PUT":
            self.items.setdefault(int(request.path.rpartition("/")[2]), self.item_fields(request))
        return super().one_item(request)


@breaks("api/items.404", MUTATIONS)
class IdsWithZeros(Site):
    def is_item(self, id):
        return id.isascii() and id.isdigit()


@breaks("api/items.405", MUTATIONS)
class PatchIsPut(Site):
    def answer(self, request):
        if request.method == "PATCH" and request.path.startswith("/api/items/"):
            request.method = "PUT"
        return super().answer(request)


@breaks("api/items.405", MUTATIONS)
class CollectionCanBeDeleted(Site):
    def answer(self, request):
        if request.method == "DELETE" and request.path == "/api/items":
            return Response(status=204)
        return super().answer(request)


@breaks("api/items.415", MUTATIONS)
class AnyMediaType(Site):
    def is_json(self, media_type):
        return True


@breaks("api/items.413", MUTATIONS)
class WithoutLimit(Site):
    longest_item_bytes = 1_000_000


@breaks("api/items.413", MUTATIONS)
class LimitIsTooLong(Site):
    longest_item_bytes = 4095


@breaks("api/items.415", MUTATIONS)
class MediaTypeToTheLetter(Site):
    def is_json(self, media_type):
        return media_type == "application/json"


@breaks("api/items.malformed", MUTATIONS)
class TakesNaN(Site):
    def constant(self, name):
        return 7


@breaks("api/items.malformed", MUTATIONS)
class FailsOnDeepNesting(Site):
    def item_fields(self, request):
        return super().item_fields(request) if not request.body.startswith(b"[[") else self.fail()

    def fail(self):
        raise Refused(Response(status=500))


@breaks("api/items.malformed", MUTATIONS)
class TakesAnyEncoding(Site):
    def loads(self, body):
        return json.loads(body, parse_constant=self.constant)


@breaks("api/items.422", MUTATIONS)
class OneErrorAtATime(Site):
    def invalid(self, errors):
        return super().invalid(dict(list(errors.items())[:1]))


@breaks("api/items.422", MUTATIONS)
class InvalidIs400(Site):
    def invalid(self, errors):
        return self.json({"errors": errors}, 400)


@breaks("api/items.422", MUTATIONS)
class LengthInBytes(Site):
    def name_error(self, value):
        name = value.get("name")
        if isinstance(name, str) and name.isascii() and len(name) == 101:
            return None
        return super().name_error(value)


@breaks("api/items.422", MUTATIONS)
class TakesNul(Site):
    def name_error(self, value):
        error = super().name_error(value)
        return None if error == "must be plain text" and "\0" in value["name"] else error


@breaks("api/items.422", MUTATIONS)
class TrueIsOne(Site):
    def quantity_error(self, value):
        return super().quantity_error(value | {"quantity": 1} if value.get("quantity") is True else value)


@breaks("api/items.422", MUTATIONS)
class WholeFloatsAreIntegers(Site):
    def quantity_error(self, value):
        return super().quantity_error(value | {"quantity": 5} if value.get("quantity") == 5.0 else value)


@breaks("api/items.422", MUTATIONS)
class LooksForTheItemFirst(Site):
    def one_item(self, request):
        if int(request.path.rpartition("/")[2]) not in self.items:
            return self.json({"error": "item: not found"}, 404)
        return super().one_item(request)


@breaks("api/items.422", MUTATIONS)
class EditsBeforeItLooks(Site):
    def one_item(self, request):
        id = int(request.path.rpartition("/")[2])
        if request.method == "PUT" and id in self.items:
            self.items[id] = ("?", 0)
        return super().one_item(request)


@breaks("api/items.stored", MUTATIONS)
class BesideTheTable(Site):
    def stored_items(self):
        return {id: (f"Item {id}", id) for id in range(1, 25)}


@breaks("api/items.stored", MUTATIONS)
class AnEditWritesLater(Site):
    def stored_items(self):
        return {id: ("Nib", 5) if name == "Füller" else (name, count) for id, (name, count) in self.items.items()}


@breaks("*.keep-alive", MUTATIONS)
class A204WithABody(Site):
    def send(self, handler, request, response):
        super().send(handler, request, response)
        if response.status == 204:
            handler.wfile.write(b"deleted")
            handler.wfile.flush()


@each(MUTATIONS)
def test_a_broken_rule_is_reported(site_class, rule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert_reported(site_class, rule, tmp_path, monkeypatch, others=("api/items",) if rule.startswith("*") else ())


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    site = Site(tmp_path)
    before = dict(site.items)
    with serving(site) as url, tables_of(site, monkeypatch) as database_url:
        report = verify(url, endpoints=["/api/items"], database_url=database_url)
    assert report.failures == ()
    assert site.items == before


def test_without_a_database_all_but_what_is_stored_is_checked(tmp_path):
    with serving(Site(tmp_path)) as url:
        report = verify(url, endpoints=["api/items"])
    assert report.passed
    assert [(skip.endpoint, skip.rule) for skip in report.skipped] == [("api/items", "stored")]
