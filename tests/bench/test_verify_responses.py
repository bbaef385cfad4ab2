"""Broken on purpose: the rules for every response, the constant endpoints, and addresses that are none."""

from pathlib import Path

import pytest
from verify_reference import (
    Mutations,
    Response,
    Site,
    assert_reported,
    breaks,
    each,
    limit_uploads,
    make_files,
    serving,
)

from bench.verify import verify

MUTATIONS: Mutations = []


@pytest.fixture(scope="module")
def static_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_files(tmp_path_factory.mktemp("static"))


@breaks("healthz.status", MUTATIONS)
class Failing(Site):
    def do_healthz(self, request):
        return Response(status=500, body=b"oops")


@breaks("healthz.headers", MUTATIONS)
class WithoutServer(Site):
    def headers(self, request, response):
        headers = super().headers(request, response)
        del headers["Server"]
        return headers


@breaks("json.headers", MUTATIONS)
class WithoutDateInErrors(Site):
    def headers(self, request, response):
        headers = super().headers(request, response)
        if response.status == 405:
            del headers["Date"]
        return headers


@breaks("*.headers", MUTATIONS)
class WithoutDateWhereNothingIs(Site):
    def headers(self, request, response):
        headers = super().headers(request, response)
        if response.status == 404:
            del headers["Date"]
        return headers


@breaks("json.headers", MUTATIONS)
class WithoutDateInEnglish(Site):
    def headers(self, request, response):
        return super().headers(request, response) | {"Date": "yesterday"}


@breaks("plaintext.headers", MUTATIONS)
class WithoutLength(Site):
    def headers(self, request, response):
        headers = super().headers(request, response) | {"Connection": "close"}
        del headers["Content-Length"]
        return headers


@breaks("json.extras", MUTATIONS)
class WithCookie(Site):
    def headers(self, request, response):
        return super().headers(request, response) | {"Set-Cookie": "session=1"}


@breaks("json.extras", MUTATIONS)
class WithETag(Site):
    def headers(self, request, response):
        return super().headers(request, response) | {"ETag": '"1"'}


@breaks("plaintext.extras", MUTATIONS)
class WithCompression(Site):
    def headers(self, request, response):
        return super().headers(request, response) | {"Content-Encoding": "identity"}


@breaks("healthz.body", MUTATIONS)
class Shouting(Site):
    def do_healthz(self, request):
        return Response(body=b"OK")


@breaks("plaintext.body", MUTATIONS)
class WithNewline(Site):
    def do_plaintext(self, request):
        return Response(body=b"Hello, World!\n")


@breaks("plaintext.type", MUTATIONS)
class WithoutCharset(Site):
    def do_plaintext(self, request):
        return Response(body=b"Hello, World!", type="text/plain")


@breaks("plaintext.unknown-parameter", MUTATIONS)
class FussyAboutParameters(Site):
    def do_plaintext(self, request):
        return Response(status=500) if "other" in request.query else super().do_plaintext(request)


@breaks("json.body", MUTATIONS)
class JsonWithSpaces(Site):
    def dumps(self, value):
        return super().dumps(value).replace(":", ": ")


@breaks("json.body", MUTATIONS)
class JsonWithNewline(Site):
    def dumps(self, value):
        return super().dumps(value) + "\n"


@breaks("json.type", MUTATIONS)
class JsonWithCharset(Site):
    def headers(self, request, response):
        return super().headers(request, response) | {"Content-Type": "application/json; charset=utf-8"}


@breaks("json.405", MUTATIONS)
class AnswersAnyMethod(Site):
    def wrong_method(self, request):
        return self.do_json(request)


@breaks("upload.405", MUTATIONS)
class NotFoundForAnotherMethod(Site):
    def wrong_method(self, request):
        return self.unknown(request)


@breaks("*.404", MUTATIONS)
class AnswersAnything(Site):
    def unknown(self, request):
        return Response(body=b"welcome")


@breaks("*.404", MUTATIONS)
class RedirectsSlashes(Site):
    def unknown(self, request):
        if request.path.endswith("/"):
            return Response(status=301, headers={"Location": request.path.rstrip("/")})
        return super().unknown(request)


@breaks("*.404", MUTATIONS)
class FailsOnStrangeAddresses(Site):
    def unknown(self, request):
        return Response(status=500) if "%" in request.path else super().unknown(request)


@breaks("whoami.body", MUTATIONS)
class OrderedOtherwise(Site):
    def identity(self):
        return dict(sorted(super().identity().items()))


@breaks("whoami.body", MUTATIONS)
class WithPidAsText(Site):
    def identity(self):
        return super().identity() | {"pid": "4711"}


@breaks("whoami.body", MUTATIONS)
class WithoutFrameworkVersion(Site):
    def identity(self):
        return super().identity() | {"framework_version": None}


@breaks("whoami.data", MUTATIONS)
class WithAnotherWayToItsData(Site):
    def identity(self):
        return super().identity() | {"data": "no memory"}


class _KeepAlive(Site):
    """Ends connections its own way after an answer."""

    def send(self, handler, request, response):
        super().send(handler, request, response)
        self.end(handler, response)

    def end(self, handler, response):
        handler.close_connection = True


@breaks("*.keep-alive", MUTATIONS)
class LeavesTheBodyUnread(Site):
    def reads_body(self, request):
        return request.path == "/upload"


@breaks("*.keep-alive", MUTATIONS)
class ClosesAgainstItsWord(_KeepAlive):
    def headers(self, request, response):
        return super().headers(request, response) | {"Connection": "keep-alive"}


@breaks("*.keep-alive", MUTATIONS)
class SendsMoreThanItSaid(_KeepAlive):
    def end(self, handler, response):
        if response.status == 404:
            handler.wfile.write(b"\r\n<p>not found</p>")
            handler.wfile.flush()


@each(MUTATIONS)
def test_a_broken_rule_is_reported(site_class, rule, static_dir, monkeypatch):
    others = ("plaintext", "cpu") if rule == "*.keep-alive" else ()
    assert_reported(site_class, rule, static_dir, monkeypatch, others=others)


def test_a_connection_may_be_closed_without_a_word(static_dir, monkeypatch):
    limit_uploads(monkeypatch)
    with serving(_KeepAlive(static_dir)) as url:
        assert verify(url, endpoints=["healthz", "blob", "upload"]).passed
