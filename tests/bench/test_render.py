"""Command lines and configurations are lists of literal words, the same for every way of launching."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_stacks import Tree, budget

from bench import catalog
from bench.model import BenchError
from bench.plan import PlannedStack, plan_stack
from bench.render import Endpoint, Rendered, Site, ports_needed, render

ENV = Path("/e")


@pytest.fixture(scope="module")
def real() -> catalog.Catalog:
    return catalog.load()


def site(folder: Path = Path("/run/s"), **changes: object) -> Site:
    values: dict[str, object] = {
        "host": "127.0.0.1", "ports": range(20001, 20020), "folder": folder, "app_dir": Path("/a"), "env_dir": ENV,
        "runners": Path("/r"), "static_dir": Path("/static files"), "shm": Path("/dev/shm"),
        "tools": {"nginx": "/usr/sbin/nginx"}, "user": None, "database_url": "postgresql://db",
    }  # fmt: skip
    return Site(**{**values, **changes})  # type: ignore[arg-type]


def rendered(found: catalog.Catalog, name: str, cpus: int = 1, **changes: object) -> Rendered:
    return render(plan_stack(catalog.resolve(found, name), budget(cpus)), site(**changes))


def argvs(made: Rendered, role: str = "app") -> list[list[str]]:
    return [list(command.argv) for command in made.commands if command.role == role]


NGINX = [["/usr/sbin/nginx", "-p", "/run/s/front", "-c", "/run/s/front/nginx.conf"]]
SOCKET = "unix:/run/s/app-0.sock"
GUNICORN = ["--no-control-socket", "--worker-tmp-dir=/dev/shm", "--log-level=warning"]


def gunicorn(bind: str, target: str, *options: str, last: tuple[str, ...] = ()) -> list[str]:
    return ["/e/bin/gunicorn", *options, f"--bind={bind}", "--backlog=2048", *last, *GUNICORN, target]


def uwsgi(target: str, *options: str, last: tuple[str, ...]) -> list[str]:
    return [
        "/e/bin/uwsgi", "--master", *options, "--lazy-apps", "--single-interpreter", "--need-app", "--die-on-term",
        "--disable-logging", "--listen=1024", "--buffer-size=32768", "--harakiri=60", *last, "--chdir=/a", "--virtualenv=/e",
        f"--module={target}",
    ]  # fmt: skip


PROCESSES = ("--processes=3", "--enable-threads")
MODE = "--chmod-socket=666"
HTTP11 = (
    MODE, "--socket-timeout=75", "--post-buffering=65536",
    "--route-if=ishigher:${CONTENT_LENGTH};0 addheader:Connection: close",
)  # fmt: skip
BUFFERED = "--post-buffering=65536"
ROUTER = (
    "--http-keepalive=75", "--http-timeout=75", "--http-processes=1", "--http-buffer-size=32768", BUFFERED, MODE,
    "--response-route-if=equal:${uwsgi[status]};204 addheader:Connection: close",
)  # fmt: skip
SYNC = ("--worker-class=sync", "--workers=3")
THREADS = ("--worker-class=gthread", "--workers=2", "--threads=16")
GEVENT = ("--worker-class=gevent", "--workers=3", "--worker-connections=1000")
KEEP = ("--keep-alive=75",)
FLASK, DJANGO = "app:application", "project.wsgi:application"
ASGI = "project.asgi:application"


def uvicorn(bind: str, workers: int = 1, loop: str = "asyncio") -> list[str]:
    return [
        "/e/bin/uvicorn", "--host=127.0.0.1", bind, f"--workers={workers}", f"--loop={loop}", "--http=httptools", "--lifespan=off",
        "--backlog=2048", "--timeout-keep-alive=75", "--reset-contextvars", "--no-access-log", "--log-level=warning", ASGI,
    ]  # fmt: skip


def gunicorn_asgi(bind: str, loop: str = "asyncio") -> list[str]:
    options = (
        "--worker-class=asgi",
        "--workers=1",
        f"--asgi-loop={loop}",
        "--asgi-lifespan=off",
        "--http-parser=python",
    )
    return gunicorn(bind, ASGI, *options, "--worker-connections=1000", last=KEEP)


def hypercorn(bind: str, target: str, loop: str = "asyncio") -> list[str]:
    return [
        "/e/bin/hypercorn", f"--worker-class={loop}", "--workers=1", f"--bind={bind}", "--umask=0", "--backlog=2048",
        "--keep-alive=75", "--graceful-timeout=1", "--log-level=warning", target,
    ]  # fmt: skip


def granian(
    bind: str, interface: str, pool: tuple[str, ...], target: str, *, respawn: str, loop: tuple[str, ...] = ()
) -> list[str]:
    return [
        "/e/bin/granian", f"--interface={interface}", "--host=127.0.0.1", bind, "--uds-permissions=666", "--http=1", "--no-ws",
        "--workers=1", *loop, respawn, "--runtime-mode=mt", "--runtime-threads=1", *pool, "--backlog=2048", "--backpressure=1024",
        "--http1-header-read-timeout=60000", "--no-access-log", "--log-level=warning", target,
    ]  # fmt: skip


UDS, PORT = "--uds=/run/s/app-0.sock", "--port=20001"
DIES, LIVES = "--no-respawn-failed-workers", "--respawn-failed-workers"
POOL = ("--blocking-threads=32", "--blocking-threads-idle-timeout=600")
EXPECTED: dict[str, list[list[str]]] = {
    "flask/gunicorn-sync/direct": [gunicorn("127.0.0.1:20001", FLASK, *SYNC)],
    "flask/gunicorn-sync/nginx": [gunicorn(SOCKET, FLASK, *SYNC)],
    "flask/gunicorn-gthread/direct": [gunicorn("127.0.0.1:20001", FLASK, *THREADS, last=KEEP)],
    "flask/gunicorn-gthread/nginx": [gunicorn(SOCKET, FLASK, *THREADS, last=KEEP)],
    "flask/gunicorn-gevent/direct": [gunicorn("127.0.0.1:20001", FLASK, *GEVENT, last=KEEP)],
    "flask/gunicorn-gevent/nginx": [gunicorn(SOCKET, FLASK, *GEVENT, last=KEEP)],
    "django/gunicorn-sync/nginx": [gunicorn(SOCKET, DJANGO, *SYNC)],
    "django+raw/gunicorn-sync/nginx": [gunicorn(SOCKET, DJANGO, *SYNC)],
    "flask/gunicorn-gthread+threads=2+workers=7/nginx": [
        gunicorn(SOCKET, FLASK, "--worker-class=gthread", "--workers=7", "--threads=2", last=KEEP)
    ],
    **{
        f"flask/gunicorn-{name}-uwsgi/nginx-uwsgi": [gunicorn(SOCKET, FLASK, "--protocol=uwsgi", *how)]
        for name, how in (("sync", SYNC), ("gthread", THREADS), ("gevent", GEVENT))
    },
    "django/uwsgi/nginx-uwsgi": [uwsgi(DJANGO, *PROCESSES, last=("--socket=/run/s/app-0.sock", MODE))],
    "django/uwsgi-threads/nginx-uwsgi": [
        uwsgi(DJANGO, "--processes=2", "--threads=16", last=("--socket=/run/s/app-0.sock", MODE))
    ],
    "django/uwsgi-gevent/nginx-uwsgi": [
        uwsgi(
            DJANGO, "--processes=3", "--gevent=1000", "--gevent-early-monkey-patch", last=("--socket=/run/s/app-0.sock", MODE)
        )
    ],
    **{
        f"flask/uwsgi-{name}/{front}": [uwsgi(FLASK, *how, last=(f"--{option}={bind}", *last))]
        for front, bind in (("direct", "127.0.0.1:20001"), ("nginx", "/run/s/app-0.sock"))
        for name, how, option, last in (
            ("http-socket", PROCESSES, "http-socket", (MODE, "--add-header=Connection: close", BUFFERED)),
            ("http11", ("--processes=2", "--threads=32"), "http11-socket", HTTP11),
            ("router", PROCESSES, "http", ROUTER),
        )
    },
    **{
        f"bottle/waitress+threads=4/{front}": [[
            "/e/bin/waitress-serve", bind, "--unix-socket-perms=666", "--threads=4", "--backlog=2048", "--connection-limit=1000",
            "--channel-timeout=75", "--asyncore-use-poll", FLASK,
        ]]
        for front, bind in (("direct", "--listen=127.0.0.1:20001"), ("nginx", "--unix-socket=/run/s/app-0.sock"))
    },
    **{
        f"flask/gevent-pywsgi/{front}": [["/e/bin/python", "/r/run_pywsgi.py", f"--bind={bind}", "--backlog=2048", FLASK]]
        for front, bind in (("direct", "tcp:127.0.0.1:20001"), ("nginx", SOCKET))
    },
    "flask/flask-dev/direct": [[
        "/e/bin/python", "/r/run_flask_dev.py", "--app=app", "run", "--host=127.0.0.1", "--port=20001", "--no-debugger", "--no-reload",
        "--with-threads",
    ]],
    **{
        f"bottle/wsgiref{option}/direct": [[
            "/e/bin/python", "/r/run_wsgiref.py", "--bind=127.0.0.1:20001", f"--backlog={backlog}", FLASK,
        ]]
        for option, backlog in (("", 5), ("+backlog=2048", 2048))
    },
    **{
        f"django/runserver/{front}": [["/e/bin/python", "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]]
        for front, port in (("direct", 20001), ("nginx", 20002))
    },
    "tornado/single/direct": [[
        "/e/bin/python", "/r/run_tornado.py", "--bind=tcp:127.0.0.1:20001", "--backlog=2048", "--loop=asyncio", "app:make_app",
    ]],
    "aiohttp/single+loop=uvloop/nginx": [[
        "/e/bin/python", "/r/run_aiohttp.py", f"--bind={SOCKET}", "--backlog=2048", "--loop=uvloop", "app:make_app",
    ]],
    "twisted/twisted-single/direct": [[
        "/e/bin/python", "/r/run_twisted.py", "--bind=tcp:127.0.0.1:20001", "--backlog=2048", "--loop=epoll", "app:make_site",
    ]],
    "twisted/twisted-single+loop=asyncio/nginx": [[
        "/e/bin/python", "/r/run_twisted.py", f"--bind={SOCKET}", "--backlog=2048", "--loop=asyncio", "app:make_site",
    ]],
    **{
        f"tornado/fork+workers={workers}/{front}": [[
            "/e/bin/python", "/r/run_tornado.py", f"--bind={bind}", "--backlog=2048", f"--processes={workers}", "--loop=asyncio",
            "--xheaders", "app:make_app",
        ]]
        for workers, front, bind in ((1, "direct", "tcp:127.0.0.1:20001"), (4, "nginx", SOCKET))
    },
    "aiohttp/reuse-port/direct": [[
        "/e/bin/python", "/r/run_aiohttp.py", "--bind=tcp:127.0.0.1:20001", "--backlog=2048", "--reuse-port", "--loop=asyncio",
        "--xheaders", "app:make_app",
    ]] * 2,
    "aiohttp/gunicorn-aiohttp/direct": [
        gunicorn("127.0.0.1:20001", "app:make_app()", "--worker-class=aiohttp.GunicornWebWorker", "--workers=2", last=KEEP)
    ],
    "aiohttp/gunicorn-aiohttp+loop=uvloop/nginx": [
        gunicorn(SOCKET, "app:make_app()", "--worker-class=aiohttp.GunicornUVLoopWebWorker", "--workers=2", last=KEEP)
    ],
    **{
        f"twisted/twisted-multi/{front}": [[
            "/e/bin/python", "/r/run_twisted.py", f"--bind={bind.format(index=index, port=20002 + index)}", "--backlog=2048",
            "--loop=epoll", "app:make_site",
        ] for index in range(2)]
        for front, bind in (("nginx", "unix:/run/s/app-{index}.sock"), ("nginx-tcp", "tcp:127.0.0.1:{port}"))
    },
    "flask/twisted-wsgi+threads=4/direct": [[
        "/e/bin/python", "/r/run_twisted.py", "--bind=tcp:127.0.0.1:20001", "--backlog=2048", "--loop=epoll", "--wsgi-threads=4", FLASK,
    ]],
    **{
        f"{name}/multi/{front}": [[
            "/e/bin/python", f"/r/run_{name}.py", f"--bind={bind.format(index=index, port=20002 + index)}", "--backlog=2048",
            "--loop=asyncio", "--xheaders", "app:make_app",
        ] for index in range(2)]
        for name in ("tornado", "aiohttp", "asyncio")
        for front, bind in (("nginx", "unix:/run/s/app-{index}.sock"), ("nginx-tcp", "tcp:127.0.0.1:{port}"))
    },
    **{
        f"koa/{server}/{front}": [[
            "/e/bin/node", "/r/run_node.cjs", f"--bind={bind}", "--backlog=2048", *workers, "app.js",
        ]]
        for server, workers in (("node", []), ("node-cluster", ["--workers=2"]))
        for front, bind in (("direct", "tcp:127.0.0.1:20001"), ("nginx", SOCKET))
    },
    "django-async/uvicorn/direct": [uvicorn(PORT)],
    "django-async/uvicorn/nginx": [uvicorn(UDS)],
    "django-async+raw/uvicorn+loop=uvloop+workers=3/nginx": [uvicorn(UDS, 3, "uvloop")],
    "django/gunicorn-asgi/direct": [gunicorn_asgi("127.0.0.1:20001")],
    "django/gunicorn-asgi+loop=uvloop/nginx": [gunicorn_asgi(SOCKET, "uvloop")],
    "flask/hypercorn/direct": [hypercorn("127.0.0.1:20001", "asgi:application")],
    "django-async/hypercorn+loop=uvloop/nginx": [hypercorn(SOCKET, ASGI, "uvloop")],
    **{
        f"django/granian-asgi{options}/{front}": [
            granian(bind, "asginl", ("--blocking-threads=1",), ASGI, respawn=respawn, loop=(f"--loop={loop}",))
        ]
        for front, bind, options, loop, respawn in (
            ("direct", PORT, "", "asyncio", DIES), ("nginx", UDS, "+loop=uvloop+respawn=on", "uvloop", LIVES),
        )
    },
    "flask/granian-wsgi/direct": [granian(PORT, "wsgi", POOL, FLASK, respawn=DIES)],
    "flask/granian-wsgi+respawn=on/nginx": [granian(UDS, "wsgi", POOL, FLASK, respawn=LIVES)],
    "go/go/direct": [["/e/bin/server", "--bind=tcp:127.0.0.1:20001"]],
    "go/go/nginx": [["/e/bin/server", f"--bind={SOCKET}"]],
}  # fmt: skip


@pytest.mark.parametrize("name", list(EXPECTED))
def test_command_lines_word_by_word(real: catalog.Catalog, name: str) -> None:
    made = rendered(real, name)
    assert argvs(made) == EXPECTED[name]
    assert argvs(made, "front") == ([] if name.endswith("/direct") else NGINX)
    assert [command.role for command in made.commands][-1] == ("app" if name.endswith("/direct") else "front")


def test_runtimes_of_other_languages_are_told_their_numbers_too(real: catalog.Catalog) -> None:
    (node,) = rendered(real, "koa/node/direct").commands
    assert {key: node.env[key] for key in ("NODE_ENV", "NODE_PATH", "DB_POOL_MAX")} == {
        "NODE_ENV": "production", "NODE_PATH": "/e/node_modules", "DB_POOL_MAX": "12",
    }  # fmt: skip
    for name, threads in (("go/go/direct", "3"), ("go/go+threads=1/direct", "1")):
        (go,) = rendered(real, name, 3).commands
        assert go.env["GOMAXPROCS"] == threads


def test_every_server_over_every_transport_is_among_them(real: catalog.Catalog) -> None:
    pairs = {(stack.server.name, stack.transport) for stack in real.stacks.values()}
    listed = {(stack.server.name, stack.transport) for name in EXPECTED for stack in [catalog.resolve(real, name)]}
    missing = {f"{server} over {transport}" for server, transport in pairs - listed}
    assert not missing, "write down their command lines above"


UWSGI = re.compile(r"\$\{[A-Z_]+\}|\$\{uwsgi\[status\]\}")
"""uWSGI's own variables, which it fills for each request."""


@pytest.mark.parametrize("cpus", [1, 3])
def test_nothing_in_a_rendered_stack_is_left_to_be_guessed(real: catalog.Catalog, cpus: int) -> None:
    for name in real.stacks:
        made = rendered(real, name, cpus)
        for command in made.commands:
            for word in command.argv:
                told = UWSGI.sub("", word)
                assert not re.search(r"[{}]|\bauto\b|nproc|cpu_count|0\.0\.0\.0", told), (name, word)
            assert command.argv[0].startswith("/"), name
            assert command.cwd.is_absolute()
        for text in made.files.values():
            assert not re.search(r"\{\{|\{%|\bauto\b|0\.0\.0\.0", text), name
        assert made.client == Endpoint(host="127.0.0.1", port=20001)
        for path in (*made.files, *made.folders):
            assert path.is_relative_to("/run/s")


def test_an_application_sees_nothing_of_the_callers_environment(
    real: catalog.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "99")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--workers=99")
    (command,) = (one for one in rendered(real, "django+raw/gunicorn-sync/nginx").commands if one.role == "app")
    assert command.env == {
        "PATH": "/e/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/run/s", "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1", "DB_POOL_MAX": "4", "STATIC_DIR": "/static files", "DATABASE_URL": "postgresql://db",
        "DJANGO_DATA": "raw",
    }  # fmt: skip
    assert command.cwd == Path("/a")
    bare = rendered(real, "django/gunicorn-sync/nginx", database_url=None).commands[0]
    assert "DATABASE_URL" not in bare.env
    assert "DJANGO_DATA" not in bare.env


# nginx


def config(made: Rendered) -> str:
    assert list(made.files) == [Path("/run/s/front/nginx.conf")]
    return made.files[Path("/run/s/front/nginx.conf")]


def directives(text: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"[;{}]", text) if part.strip()]


def test_nginx_speaks_http_1_1_and_keeps_connections(real: catalog.Catalog) -> None:
    found = directives(config(rendered(real, "flask/gunicorn-gthread/nginx", 3)))
    for wanted in (
        "proxy_http_version 1.1", 'proxy_set_header Connection ""', "proxy_set_header Host $http_host", "keepalive 64",
        "proxy_pass http://app", "worker_processes 3", "daemon off", "listen 127.0.0.1:20001 backlog=2048",
        "server unix:/run/s/app-0.sock fail_timeout=0", "access_log off", "worker_rlimit_nofile 12288",
        "worker_connections 6144", "client_max_body_size 64m", "error_log /run/s/front/error.log error",
    ):  # fmt: skip
        assert found.count(wanted) == 1, wanted
    # Nothing that a second nginx on this machine would also write to.
    places = [
        one.split()[1]
        for one in found
        if one.split()[0].endswith("_temp_path") or one.startswith(("pid ", "error_log "))
    ]
    assert len(places) == 7
    assert all(place.startswith("/run/s/front/") for place in places)


def test_nginx_balances_over_several_processes_and_may_count_failures(real: catalog.Catalog) -> None:
    found = directives(config(rendered(real, "tornado/multi/nginx", 4)))
    assert [one for one in found if one.startswith("server unix:")] == [
        f"server unix:/run/s/app-{i}.sock" for i in range(4)
    ]
    assert not any("fail_timeout" in one for one in found)
    assert "proxy_next_upstream error" in found


def test_nginx_speaks_the_uwsgi_protocol_where_the_server_does(real: catalog.Catalog) -> None:
    found = directives(config(rendered(real, "django/uwsgi/nginx-uwsgi")))
    assert "uwsgi_pass app" in found
    assert "server unix:/run/s/app-0.sock fail_timeout=0" in found
    assert not any(one.startswith(("proxy_pass", "keepalive 64", "include")) for one in found)
    given = {one.split()[1] for one in found if one.startswith("uwsgi_param ")}
    assert given >= {"QUERY_STRING", "REQUEST_METHOD", "CONTENT_TYPE", "CONTENT_LENGTH", "PATH_INFO", "SERVER_PROTOCOL"}


def test_both_nginx_fronts_differ_only_in_the_lines_to_the_server(real: catalog.Catalog) -> None:
    one = set(directives(config(rendered(real, "django/gunicorn-sync/nginx"))))
    other = set(directives(config(rendered(real, "django/uwsgi/nginx-uwsgi"))))
    assert all(line.startswith(("proxy_", "keepalive 64")) for line in one - other)
    assert all(line.startswith("uwsgi_") for line in other - one)


DIFFERENCES = {
    "nginx-tcp": {"server 127.0.0.1:20002", "server 127.0.0.1:20003"},
    "nginx-unbuffered": {"proxy_buffering off", "proxy_request_buffering off"},
    "nginx-least-conn": {"zone app 512k", "least_conn"},
}


@pytest.mark.parametrize("front", list(DIFFERENCES))
def test_the_other_fronts_differ_from_nginx_in_what_they_are_named_for(real: catalog.Catalog, front: str) -> None:
    one = directives(config(rendered(real, "tornado/multi/nginx")))
    other = directives(config(rendered(real, f"tornado/multi/{front}")))
    assert set(other) - set(one) == DIFFERENCES[front]
    assert all(line.startswith("server unix:") for line in set(one) - set(other))


def test_the_method_of_balancing_comes_before_keepalive(real: catalog.Catalog) -> None:
    found = directives(config(rendered(real, "tornado/multi/nginx-least-conn")))
    assert found.index("least_conn") < found.index("keepalive 64")


def test_a_front_serves_static_files_where_its_manifest_says_so(real: catalog.Catalog) -> None:
    planned = plan_stack(real.stacks["tornado/multi/nginx"], budget(1))
    assert "location /static/" in directives(config(render(planned, site())))
    bare = replace(planned, stack=replace(planned.stack, front=replace(planned.stack.front, serves_static=False)))
    assert "/static" not in config(render(bare, site())).replace("/static files", "")


def test_a_template_that_extends_nothing_is_named(tree: Tree) -> None:
    tree.app("a")
    tree.server("s")
    path = tree.front("f", '[[process]]\nrole = "front"\nargv = ["nginx"]', template="f.j2")
    path.with_name("f.j2").write_text('{% extends "g/f.j2" %}')
    planned = plan_stack(tree.stack("a/s/f"), budget(1))
    with pytest.raises(BenchError, match=r"/f\.j2: there is no template fronts/g/f\.j2 to extend$"):
        render(planned, site())


@pytest.mark.parametrize(("user", "lines"), [(None, []), ("nobody nogroup", ["user nobody nogroup"])])
def test_nginx_is_given_a_user_only_where_it_starts_as_root(
    real: catalog.Catalog, user: str | None, lines: list[str]
) -> None:
    found = directives(config(rendered(real, "flask/gunicorn-sync/nginx", user=user)))
    assert [line for line in found if line.startswith("user ")] == lines


def test_a_socket_over_tcp_is_named_with_its_port(tree: Tree) -> None:
    tree.app("a")
    tree.server("s", endpoints="many", argv='["{env}/bin/serve", "--port={port}"]').write_text(
        tree.server("s", endpoints="many").read_text().replace(', unix = "unix:{socket}"', "")
        .replace('role = "app"', 'role = "app"\ninstances = "workers"')
    )  # fmt: skip
    folder = tree.front(
        "f", '[[process]]\nrole = "front"\nargv = ["nginx", "{config}"]', accepts_many=True, template="t"
    ).parent
    (folder / "t").write_text("{% for one in upstreams %}\n{{ one }}\n{% endfor %}\n{{ listen }}\n")
    planned = plan_stack(tree.stack("a/s/f"), budget())
    assert ports_needed(planned) == 3
    made = render(planned, site())
    assert config(made) == "127.0.0.1:20002\n127.0.0.1:20003\n127.0.0.1:20001\n"
    assert [endpoint.port for endpoint in made.servers] == [20002, 20003]


def test_ports_are_counted_for_what_listens_on_one(real: catalog.Catalog) -> None:
    def needed(name: str) -> int:
        return ports_needed(plan_stack(real.stacks[name], budget(3)))

    assert needed("flask/gunicorn-sync/direct") == 1
    assert needed("flask/gunicorn-sync/nginx") == 1
    assert needed("tornado/multi/nginx") == 1


def test_addresses_as_urls() -> None:
    assert Endpoint(host="127.0.0.1", port=8000).url == "http://127.0.0.1:8000"
    assert Endpoint(host="127.0.0.1", port=0, socket=Path("/s")).url == "http://localhost"


# Manifests that are wrong


def one(tree: Tree, **changes: str) -> PlannedStack:
    tree.app("a")
    tree.front("f")
    tree.server("s", **changes)
    return plan_stack(tree.stack("a/s/f"), budget())


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ('["serve", "{taget}"]', "unknown placeholder {taget}; known: app_dir, bind, "),
        ('["serve", "{}"]', "a placeholder is malformed ("),
        ('["serve", "{0}"]', "a placeholder is malformed ("),
        ('["serve", "{bind"]', "a placeholder is malformed ("),
        ('["serve", "{bind.host}"]', "a placeholder is malformed ("),
        ('["serve", "{bind[host]}"]', "a placeholder is malformed ("),
        ('["serve", "{bind:d}"]', "a placeholder is malformed ("),
    ],
)  # fmt: skip
def test_a_wrong_placeholder_names_the_manifest(tree: Tree, argv: str, expected: str) -> None:
    with pytest.raises(BenchError) as caught:
        render(one(tree, argv=argv), site())
    assert str(caught.value).startswith(f"deploy/servers/s/server.toml: {expected}")
    assert "\n" not in str(caught.value)


def test_a_wrong_placeholder_of_a_front_names_its_manifest(tree: Tree) -> None:
    one(tree)
    tree.front("f", '[[process]]\nrole = "front"\nargv = ["nginx", "{conf}"]')
    with pytest.raises(BenchError, match=r"^deploy/fronts/f/front.toml: unknown placeholder \{conf\}; known: "):
        render(plan_stack(tree.stack("a/s/f"), budget()), site())


def test_a_brace_can_be_written_twice_and_a_path_stays_a_path(tree: Tree) -> None:
    planned = one(tree, argv='["/opt/serve", "{{x}}", "{workers}"]')
    assert argvs(render(planned, site())) == [["/opt/serve", "{x}", "2"]]


def test_a_servers_own_environment_is_filled_in(tree: Tree) -> None:
    path = tree.server("s")
    path.write_text(path.read_text() + 'env = { CONCURRENCY = "{workers}", PATH = "/mine" }\n')
    tree.app("a")
    tree.front("f")
    made = render(plan_stack(tree.stack("a/s/f"), budget()), site())
    assert made.commands[0].env["CONCURRENCY"] == "2"
    assert made.commands[0].env["PATH"] == "/mine"


def test_processes_of_a_server_with_one_address_share_it(tree: Tree) -> None:
    path = tree.server("s")
    path.write_text(path.read_text().replace('role = "app"', 'role = "app"\ninstances = "workers"'))
    tree.app("a")
    tree.front("f")
    made = render(plan_stack(tree.stack("a/s/f"), budget()), site())
    assert argvs(made) == [["/e/bin/serve", "127.0.0.1:20001", "app:application"]] * 2
    assert [command.name for command in made.commands] == ["app-0", "app-1"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ upstream }}", "'upstream' is undefined"),
        ("{% for x in %}", "xpected an expression"),
        (None, "No such file"),
    ],
)
def test_a_template_that_is_wrong_is_named(tree: Tree, template: str | None, expected: str) -> None:
    planned = one(tree)
    folder = tree.front("f", '[[process]]\nrole = "front"\nargv = ["nginx"]', template="t.j2").parent
    if template is not None:
        (folder / "t.j2").write_text(template)
    front = catalog.load(tree.root).fronts["f"]
    planned = replace(planned, stack=replace(planned.stack, front=front))
    with pytest.raises(BenchError) as caught:
        render(planned, site())
    assert "t.j2: " in str(caught.value)
    assert expected in str(caught.value)
