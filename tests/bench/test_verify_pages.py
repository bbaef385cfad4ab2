"""Broken on purpose: the page of fortunes, the endpoints that wait, compute and move bytes, and refusals."""

import gzip
import hashlib
from pathlib import Path

import pytest
from verify_reference import (
    FORTUNES,
    PATTERN,
    Mutations,
    Response,
    Site,
    assert_reported,
    breaks,
    each,
    make_files,
    serving,
)

from bench.verify import verify

MUTATIONS: Mutations = []


@pytest.fixture(scope="module")
def static_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_files(tmp_path_factory.mktemp("static"))


@breaks("fortunes.type", MUTATIONS)
class HtmlWithoutCharset(Site):
    def do_fortunes(self, request):
        response = super().do_fortunes(request)
        response.type = "text/html"
        return response


@breaks("fortunes.sorted", MUTATIONS)
class SortedLikeADictionary(Site):
    def fortune_rows(self):
        # As most locales do: punctuation does not count.
        return sorted(super().fortune_rows(), key=lambda row: "".join(filter(str.isalnum, row[1])))


@breaks("fortunes.added", MUTATIONS)
class NothingAdded(Site):
    def fortune_rows(self):
        return [row for row in super().fortune_rows() if row[0]]


@breaks("fortunes.rows", MUTATIONS)
class OneRowTwice(Site):
    def fortune_rows(self):
        return sorted([*super().fortune_rows(), (1, FORTUNES[1])], key=lambda row: row[1])


@breaks("fortunes.escaped", MUTATIONS)
class NotEscaped(Site):
    def escaped(self, text):
        return text


@breaks("fortunes.escaped", MUTATIONS)
class EscapedTwice(Site):
    def escaped(self, text):
        return super().escaped(super().escaped(text))


@breaks("fortunes.utf-8", MUTATIONS)
class CharacterReferences(Site):
    def encoded(self, page):
        return page.encode("ascii", "xmlcharrefreplace")


@breaks("fortunes.utf-8", MUTATIONS)
class AnotherEncoding(Site):
    def encoded(self, page):
        return page.encode("shift_jis", "replace")


@breaks("fortunes.page", MUTATIONS)
class AnotherTitle(Site):
    def encoded(self, page):
        return page.replace("<title>Fortunes", "<title>Fortune").encode()


@breaks("fortunes.stored", MUTATIONS)
class PageRenderedOnce(Site):
    page: Response | None = None

    def do_fortunes(self, request):
        self.page = self.page or super().do_fortunes(request)
        return self.page


@breaks("fortunes.stored", MUTATIONS)
class PagesRenderedOnceAProcess(Site):
    """One of three processes answers, each in turn."""

    asked = 0

    def do_fortunes(self, request):
        self.asked += 1
        self.pages = getattr(self, "pages", {})
        return self.pages.setdefault(self.asked % 3, super().do_fortunes(request))


@breaks("io.wait", MUTATIONS)
class TooEarly(Site):
    def wait(self, ms):
        super().wait(ms * 0.1)


@breaks("io.wait", MUTATIONS)
class WaitedInSeconds(Site):
    def do_io(self, request):
        return self.json({"waited_ms": self.strict(request, "ms", 10_000) / 1000})


@breaks("io.400", MUTATIONS)
class FailingOnText(Site):
    def refusal(self, name):
        return Response(status=500)


@breaks("io.400", MUTATIONS)
class RefusingInHtml(Site):
    def refusal(self, name):
        return Response(status=400, body=b"<p>ms: bad</p>", type="text/html; charset=utf-8")


@breaks("io.400", MUTATIONS)
class RefusingWithoutName(Site):
    def refusal(self, name):
        return self.json({"error": "a bad parameter"}, 400)


@breaks("io.400", MUTATIONS)
class RefusingWithoutReason(Site):
    def refusal(self, name):
        return self.json({"error": f"{name}: "}, 400)


@breaks("io.400", MUTATIONS)
class NothingMeansZero(Site):
    def strict(self, request, name, highest):
        return super().strict(request, name, highest) if request.query.get(name) else 0


@breaks("io-db.database", MUTATIONS)
class SleepingInTheApplication(Site):
    def do_io_db(self, request):
        return self.do_io(request)


@breaks("cpu.result", MUTATIONS)
class AnotherModulus(Site):
    def do_cpu(self, request):
        n = self.strict(request, "n", 10_000_000)
        x = 1
        for _ in range(n):
            x = (x * 1103515245 + 12345) % 0x7FFFFFFF
        return self.json({"n": n, "result": x})


@breaks("cpu.400", MUTATIONS)
class ClampingStrictOnes(Site):
    def strict(self, request, name, highest):
        return max(0, min(10, self.integer(request.query.get(name, "")) or 0))


@breaks("cpu.400", MUTATIONS)
class DigitsOfAnyScript(Site):
    def integer(self, text):
        return int(text) if text.isdecimal() else None


@breaks("upload.body", MUTATIONS)
class HexInCapitals(Site):
    def do_upload(self, request):
        digest = hashlib.sha256(request.body).hexdigest().upper()
        return self.json({"bytes": len(request.body), "sha256": digest})


@breaks("upload.body", MUTATIONS)
class AtMostOneMegabyte(Site):
    def do_upload(self, request):
        return Response(status=413) if len(request.body) > 2**20 else super().do_upload(request)


@breaks("upload.body", MUTATIONS)
class Decompressing(Site):
    def do_upload(self, request):
        if request.headers.get("Content-Encoding") == "gzip":
            request.body = gzip.decompress(request.body)
        return super().do_upload(request)


@breaks("upload.longest", MUTATIONS)
class LowerLimit(Site):
    def do_upload(self, request):
        return Response(status=413) if len(request.body) > 3_500_000 else super().do_upload(request)


@breaks("upload.longest", MUTATIONS)
class FailingBeyondTheLimit(Site):
    def do_upload(self, request):
        response = super().do_upload(request)
        return Response(status=500) if response.status == 413 else response


@breaks("upload.chunked", MUTATIONS)
class OnlyWithLength(Site):
    def do_upload(self, request):
        if "Transfer-Encoding" in request.headers:
            request.body = b""
        return super().do_upload(request)


@breaks("blob.body", MUTATIONS)
class OneByteMore(Site):
    def pieces(self, length):
        return super().pieces(length + 1)


@breaks("blob.body", MUTATIONS)
class PiecesShifted(Site):
    def pieces(self, length):
        for number, piece in enumerate(super().pieces(length)):
            yield piece if number == 0 else PATTERN[number : number + len(piece)] or piece


@breaks("blob.longest", MUTATIONS)
class ShorterLimit(Site):
    def strict(self, request, name, highest):
        return super().strict(request, name, highest // 2)


@breaks("blob.type", MUTATIONS)
class BlobAsText(Site):
    def after(self, request, response):
        response.type = "text/plain"
        return response


@breaks("static.length", MUTATIONS)
class FilesCutShort(Site):
    def file(self, name):
        return super().file(name)[:-1]


@breaks("static.content", MUTATIONS)
class OtherFiles(Site):
    def file(self, name):
        return bytes(len(super().file(name)))


@breaks("static.outside", MUTATIONS)
class LeadingOutside(Site):
    def outside(self, name):
        return Response(body=b"root:x:0:0") if ".." in name else super().outside(name)


@breaks("static.outside", MUTATIONS)
class FailingOnNul(Site):
    def outside(self, name):
        return Response(status=500) if "\0" in name else super().outside(name)


@breaks("static.404", MUTATIONS)
class EmptyForUnknown(Site):
    def outside(self, name):
        return Response(body=b"")


@each(MUTATIONS)
def test_a_broken_rule_is_reported(site_class, rule, static_dir, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bench.verify.work.SLEEPS_MS", (100,))
    assert_reported(site_class, rule, static_dir, monkeypatch)


@pytest.mark.parametrize(
    ("double", "single"), [("&#34;", "&#39;"), ("&quot;", "&#039;"), ("&quot;", "&#x27;"), ('"', "'")]
)
def test_quotes_may_be_written_in_any_of_the_usual_ways(double, single, static_dir):
    class Quoting(Site):
        def escaped(self, text):
            return super().escaped(text).replace("&quot;", double).replace("&#x27;", single)

        def do_fortunes(self, request):
            response = super().do_fortunes(request)
            # And whitespace between tags is free.
            response.body = b"\n" + response.body.replace(b"<tr>", b"\r\n\t<tr>").replace(b"<td>", b" <td>")
            return response

    with serving(Quoting(static_dir)) as url:
        assert verify(url, endpoints=["fortunes"]).failures == ()
