"""What keeps the contract passes, whole and in parts; what cannot be checked is said."""

from pathlib import Path

import pytest
from verify_reference import Response, Site, limit_uploads, make_files, serving, tables_of

from bench.model import BenchError
from bench.verify import ENDPOINTS, Skip, core, render_text, verify


@pytest.fixture(scope="module")
def static_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_files(tmp_path_factory.mktemp("static"))


def test_the_contract_kept_passes_every_rule(static_dir, monkeypatch):
    site = Site(static_dir)
    with serving(site) as url, tables_of(site, monkeypatch) as database_url:
        report = verify(url, database_url=database_url, static_dir=static_dir, data="memory")
    assert report.failures == ()
    assert report.skipped == ()
    assert report.passed
    assert {check.endpoint for check in report.checks} == {"*", *(endpoint.name for endpoint in ENDPOINTS)}
    assert render_text(report).startswith(f"passed: {len(report.checks)} rules of the contract hold")


def test_without_database_and_files_it_says_what_it_could_not_check(static_dir):
    with serving(Site(static_dir)) as url:
        report = verify(url, endpoints=["db", "queries", "updates", "static"])
    assert report.passed
    assert [(skip.endpoint, skip.rule) for skip in report.skipped] == [
        ("static", "content"),
        ("db", "stored"),
        ("queries", "stored"),
        ("updates", "written"),
        ("updates", "changed"),
    ]
    assert "no database_url" in report.skipped[-1].reason


def test_only_the_chosen_endpoints_are_asked(static_dir):
    class Recording(Site):
        def after(self, request, response):
            asked.add(request.path)
            return response

    asked: set[str] = set()
    with serving(Recording(static_dir)) as url:
        report = verify(url, endpoints=["/healthz", "whoami"])
    assert report.passed
    assert {check.endpoint for check in report.checks} == {"healthz", "whoami", "*"}
    assert asked.isdisjoint({"/db", "/io", "/cpu", "/upload", "/static/1kb.bin"})


def test_static_may_be_left_out(static_dir):
    with serving(Site(static_dir)) as url:
        report = verify(url, endpoints=["healthz", "static"], static=False)
    assert report.passed
    assert report.skipped == (Skip(endpoint="static", rule="*", reason="nothing serves /static here"),)


def test_headers_that_the_server_omits_are_not_asked_for(static_dir):
    class Bare(Site):
        def headers(self, request, response):
            headers = super().headers(request, response)
            del headers["Server"], headers["Date"]
            return headers

    with serving(Bare(static_dir)) as url:
        assert verify(url, endpoints=["json"], omits={"Server", "date"}).passed
        assert not verify(url, endpoints=["json"], omits={"server"}).passed


def test_what_the_server_itself_refuses_may_lack_headers(static_dir):
    class RefusingEarly(Site):
        def outside(self, name):
            return Response(status=400) if "\0" in name or ".." in name else super().outside(name)

        def headers(self, request, response):
            headers = super().headers(request, response)
            return {"Content-Length": headers["Content-Length"]} if response.status == 400 else headers

    with serving(RefusingEarly(static_dir)) as url:
        assert verify(url, endpoints=["static"]).failures == ()
        assert {failure.rule for failure in verify(url, endpoints=["cpu"]).failures} == {"400", "headers"}


def test_a_server_that_cannot_read_chunked_requests_has_to_say_so(static_dir, monkeypatch):
    limit_uploads(monkeypatch)

    class Unchunked(Site):
        status = 411

        def do_upload(self, request):
            return (
                Response(status=self.status) if "Transfer-Encoding" in request.headers else super().do_upload(request)
            )

    with serving(Unchunked(static_dir)) as url:
        assert verify(url, endpoints=["upload"], omits={"chunked-request"}).passed
        Unchunked.status = 502  # by a front that finds the connection closed while it still sends
        assert verify(url, endpoints=["upload"], omits={"chunked-request"}).passed
        assert [failure.rule for failure in verify(url, endpoints=["upload"]).failures] == ["chunked"]
    with serving(Site(static_dir)) as url:
        report = verify(url, endpoints=["upload"], omits={"chunked-request"})
    assert [failure.rule for failure in report.failures] == ["chunked"]


def test_answers_before_the_body_may_be_lost_where_the_server_says_so(static_dir, monkeypatch):
    class CutsOff(Site):
        """As a server that closes on what the application has not read, and then a front before it."""

        status = 0

        def answer(self, request):
            response = super().answer(request)
            early = request.body and (response.status in (405, 413, 415) or request.path == "/nope")
            return Response(status=self.status) if early else response

        def send(self, handler, request, response):
            if response.status == 0:
                handler.close_connection = True
            else:
                super().send(handler, request, response)

    asked, early = ["json", "api/items"], ("404", "405", "413", "415")
    monkeypatch.setattr(core, "OWN_RULES", [rule for rule in core.OWN_RULES if rule.name in early])
    with serving(CutsOff(static_dir)) as url:
        for CutsOff.status in (0, 502):
            assert verify(url, endpoints=asked, omits={"early-answer"}).failures == ()
            lost = {failure.rule for failure in verify(url, endpoints=asked).failures}
            assert lost == ({"transport"} if CutsOff.status == 0 else set(early))


def test_too_long_a_body_may_be_answered_by_closing(static_dir, monkeypatch):
    limit_uploads(monkeypatch)

    class Closing(Site):
        def send(self, handler, request, response):
            if response.status == 413:
                handler.close_connection = True
            else:
                super().send(handler, request, response)

    with serving(Closing(static_dir)) as url:
        assert verify(url, endpoints=["upload"]).failures == ()


def test_a_path_in_the_url_is_put_in_front(static_dir):
    class Below(Site):
        def answer(self, request):
            if not request.path.startswith("/app/"):
                return self.unknown(request)
            request.path = request.path.removeprefix("/app")
            return super().answer(request)

    with serving(Below(static_dir)) as url:
        assert verify(f"{url}/app/", endpoints=["healthz", "blob"]).passed


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8001", "ftp://127.0.0.1", "http://", "http://127.0.0.1/?x=1", "http://127.0.0.1:port", ""]
)
def test_what_is_no_address_of_a_server_is_refused(url):
    with pytest.raises(BenchError, match="give one like http://"):
        verify(url)


def test_an_unknown_endpoint_is_refused_with_the_nearest_names():
    with pytest.raises(BenchError, match=r"no endpoint 'query'; is it .*queries"):
        verify("http://127.0.0.1:1", endpoints=["query"])


def test_a_database_that_is_not_there_is_one_clear_line():
    with pytest.raises(BenchError, match="verify cannot read the tables world and fortune") as caught:
        verify("http://127.0.0.1:1", database_url="postgresql://me:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
