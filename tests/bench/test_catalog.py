"""A stack is a join: whatever fits together is found by its folder alone, and whatever is misspelt is named."""

import re

import pytest
from made_stacks import Tree

from bench import catalog
from bench.model import BenchError, Stack


@pytest.fixture(scope="module")
def real() -> catalog.Catalog:
    return catalog.load()


def refusal(tree: Tree) -> str:
    with pytest.raises(BenchError) as caught:
        tree.load()
    text = str(caught.value)
    assert "\n" not in text
    return text


# The tree in the repository


def test_each_framework_has_the_default_of_its_documentation(real: catalog.Catalog) -> None:
    defaults = {stack.app.name: stack.id for stack in real.stacks.values() if "default" in stack.tags}
    assert defaults["django"] == "django/gunicorn-sync/nginx"
    assert defaults["flask"] == "flask/gunicorn-sync/nginx"
    assert len(defaults) == 4, "quick has time for four"
    assert defaults["tornado"] == "tornado/multi/nginx"
    assert defaults["aiohttp"] == "aiohttp/multi/nginx"
    for app in real.apps.values():
        for pair in (*([app.default] if app.default else []), *app.core):
            stack = real.stacks[f"{app.name}/{pair}"]
            assert "core" in stack.tags
            assert stack.variant is None


def test_the_articles_stack_and_what_it_omits(real: catalog.Catalog) -> None:
    stack = real.stacks["django/uwsgi/nginx-uwsgi"]
    assert (stack.interface, stack.transport) == ("wsgi", "unix")
    assert stack.server.omits >= {"server", "date"}
    assert stack.omits == frozenset()
    assert "chunked-request" in real.stacks["django/runserver/direct"].omits


def test_applications_under_asgi(real: catalog.Catalog) -> None:
    for app, target in (("django", "project.asgi:application"), ("flask", "asgi:application")):
        for server in ("uvicorn", "gunicorn-asgi", "hypercorn", "granian-asgi"):
            stack = real.stacks[f"{app}/{server}/nginx"]
            assert (stack.interface, stack.app.interfaces["asgi"]) == ("asgi", target)
    assert "core" in real.stacks["django-async/uvicorn/nginx"].tags
    assert "default" not in real.stacks["django-async/uvicorn/nginx"].tags, "a framework has one"
    assert "django-async/gunicorn-sync/nginx" not in real.stacks


def test_every_stack_of_the_tree_fits_by_its_fields(real: catalog.Catalog) -> None:
    assert len(real.stacks) >= 20
    for name, stack in real.stacks.items():
        assert stack.id == name == str(stack.id)
        assert stack.interface in stack.app.interfaces
        assert stack.interface in stack.server.accepts
        assert stack.server.speaks == stack.front.speaks
        assert stack.transport in stack.server.bind
        assert catalog.resolve(real, name) == stack
    assert len({stack.slug for stack in real.stacks.values()}) == len(real.stacks)


def test_combinations_that_do_not_fit_say_why(real: catalog.Catalog) -> None:
    assert real.refused["tornado/multi/direct"] == "multi listens on several addresses, direct takes one"
    assert real.refused["flask/uwsgi/nginx"] == "uwsgi speaks uwsgi, nginx needs http"
    assert (
        real.refused["tornado/single/nginx-least-conn"]
        == "single listens on one address, nginx-least-conn is for several"
    )
    assert not real.refused.keys() & real.stacks.keys()
    assert all("/single/" not in name for name in real.refused if name.startswith("flask/"))


def test_journeys_and_waits_do_not_tell_by_cpu_time_how_they_were_spread(real: catalog.Catalog) -> None:
    assert {name for name, one in real.scenarios.items() if not one.is_even} == {"io", "io-db", "items"}


def test_scenarios_that_write_run_last(real: catalog.Catalog) -> None:
    names = list(real.scenarios)
    assert {"plaintext", "json", "db", "queries", "fortunes", "updates", "io", "cpu"} <= set(names)
    assert names[-1] == "updates"
    assert real.scenarios["io"].windows
    assert not real.scenarios["db"].windows


def test_manifests_say_where_their_facts_come_from(real: catalog.Catalog) -> None:
    for server in real.servers.values():
        assert "https://" in server.source, server.name
        assert server.traps, server.name
    for app in real.apps.values():
        assert app.source.startswith("https://"), app.name


# Joining


def test_one_more_app_gets_every_server_that_hosts_it(tree: Tree) -> None:
    tree.server("sync")
    tree.server("threads")
    tree.server("asgi", accepts=["asgi"])
    tree.front("direct")
    tree.app("flask")
    before = tree.load()
    assert set(before.stacks) == {"flask/sync/direct", "flask/threads/direct"}
    tree.app("bottle")
    after = tree.load()
    assert set(after.stacks) == {*before.stacks, "bottle/sync/direct", "bottle/threads/direct"}
    assert {name: after.stacks[name] for name in before.stacks} == dict(before.stacks)


def test_one_more_server_gets_every_app_that_it_hosts(tree: Tree) -> None:
    tree.server("sync")
    tree.front("direct")
    tree.front("proxy", transports=["unix"])
    tree.app("flask")
    tree.app("koa", '[interfaces]\nnode = "main.js"', language="node")
    before = set(tree.load().stacks)
    tree.server("granian", accepts=["asgi", "wsgi"])
    assert set(tree.load().stacks) - before == {"flask/granian/direct", "flask/granian/proxy"}


def test_a_variant_is_a_stack_of_its_own_with_no_tag_of_the_plain_one(tree: Tree) -> None:
    tree.server("sync")
    tree.front("direct")
    tables = '[interfaces]\nwsgi = "a:b"\n[variants.raw]\ndescription = "SQL"\ndata = "cursor"\nenv = { DATA = "raw" }'
    tree.app("django", tables, default="sync/direct")
    stacks = tree.load().stacks
    assert stacks["django/sync/direct"].tags == {"default", "core", "full"}
    raw = stacks["django+raw/sync/direct"]
    assert raw.tags == {"full"}
    assert (raw.data, stacks["django/sync/direct"].data) == ("cursor", "psycopg 3")
    assert raw.slug == "django+raw--sync--direct"


def test_the_servers_first_interface_that_fits_and_the_fronts_first_transport_win(tree: Tree) -> None:
    tree.app("django", '[interfaces]\nwsgi = "w"\nasgi = "a"')
    tree.server("both", accepts=["asgi", "wsgi"])
    tree.front("proxy", transports=["unix", "tcp"])
    tree.front("direct", transports=["tcp"])
    found = tree.load().stacks
    assert (found["django/both/proxy"].interface, found["django/both/proxy"].transport) == ("asgi", "unix")
    assert found["django/both/direct"].transport == "tcp"


def test_reasons_for_refusing(tree: Tree) -> None:
    tree.app("a")
    tree.server("one")
    tree.server("several", endpoints="many")
    tree.server("binary", speaks="uwsgi")
    path = tree.server("socketless")
    path.write_text(path.read_text().replace(', unix = "unix:{socket}"', ""))
    tree.server("elsewhere", accepts=["node"])
    tree.front("pipe", transports=["unix"])
    found = tree.load()
    assert set(found.stacks) == {"a/one/pipe"}
    assert found.refused == {
        "a/several/pipe": "several listens on several addresses, pipe takes one",
        "a/binary/pipe": "binary speaks uwsgi, pipe needs http",
        "a/socketless/pipe": "socketless listens on tcp, pipe connects over unix",
    }
    reason = catalog.join(found.apps["a"], found.servers["elsewhere"], found.fronts["pipe"])
    assert reason == "elsewhere hosts node; a offers wsgi"


def test_a_front_that_is_there_for_its_balancing_needs_several_addresses(tree: Tree) -> None:
    tree.app("a")
    tree.server("one")
    tree.server("several", endpoints="many")
    tree.front("balancer", accepts_many=True, needs_many=True)
    found = tree.load()
    assert set(found.stacks) == {"a/several/balancer"}
    assert found.refused == {"a/one/balancer": "one listens on one address, balancer is for several"}


@pytest.mark.parametrize("key", ["default", "core"])
def test_a_default_that_is_no_stack_is_named_with_the_nearest(tree: Tree, key: str) -> None:
    tree.server("gunicorn-sync")
    tree.front("nginx")
    value: object = "gunicorn-snyc/nginx" if key == "default" else ["gunicorn-sync/nginx", "gunicorn-snyc/nginx"]
    tree.app("flask", **{key: value})
    assert refusal(tree) == (
        f"apps/flask/app.toml: key '{key}': no stack flask/gunicorn-snyc/nginx. Did you mean gunicorn-sync/nginx?"
    )


def test_connections_of_threads_are_said_of_an_interface_that_there_is(tree: Tree) -> None:
    path = tree.app("a", thread_connections=["wsg"])
    assert refusal(tree) == f"{path}: key 'thread_connections': it has no interface 'wsg'. Did you mean wsgi?"


def test_a_misspelt_key_names_file_key_and_the_nearest(tree: Tree) -> None:
    path = tree.server("sync")
    path.write_text(path.read_text().replace("accepts =", "acceps ="))
    assert refusal(tree) == f"{path}: unknown key 'acceps'. Did you mean accepts or traps?"


@pytest.mark.parametrize(
    ("keys", "old", "new", "expected"),
    [
        ({"endpoints": "some"}, "", "", "key 'endpoints': 'some' must be 'one' or 'many'"),
        ({}, 'role = "app"', 'role = "ap"', "key 'process.role': unknown role 'ap'. Did you mean app?"),
        ({}, '["serve", "{bind}", "{target}"]', "[]", "key 'process.argv': must name a command"),
        ({}, "unix =", "unixx =", "key 'bind': unknown transport 'unixx'. Did you mean unix?"),
    ],
)  # fmt: skip
def test_values_that_mean_nothing(tree: Tree, keys: dict[str, object], old: str, new: str, expected: str) -> None:
    path = tree.server("sync", **keys)
    path.write_text(path.read_text().replace(old, new) if old else path.read_text())
    assert refusal(tree) == f"{path}: {expected}"


def test_an_unknown_transport_of_a_front(tree: Tree) -> None:
    path = tree.front("direct", transports=["udp"])
    assert refusal(tree).startswith(f"{path}: key 'transports': unknown transport 'udp'.")


@pytest.mark.parametrize("name", ["Flask", "my_app", "a--b", "a."])
def test_a_folder_whose_name_cannot_stand_in_an_id(tree: Tree, name: str) -> None:
    tree.app(name)
    assert f"the name '{name}' must be lower-case letters, digits and single hyphens" in refusal(tree)


def test_scenarios_come_in_the_order_of_running(tree: Tree) -> None:
    for name, order in (("updates", 900), ("db", 30), ("json", 20), ("a-db", 30)):
        tree.scenario(name, order=order)
    assert list(tree.load().scenarios) == ["json", "a-db", "db", "updates"]


# Choosing


OPTIONS = '[options.workers]\ndescription = "n"\ndefault = "2"\n[options.loop]\ndescription = "l"\ndefault = "a"\nvalues = ["a", "b"]'


@pytest.fixture
def small(tree: Tree) -> Tree:
    tree.server("sync", OPTIONS, tags=["dev"])
    tree.server("threads")
    tree.front("direct")
    tree.front("nginx", '[options.buffer]\ndescription = "b"\ndefault = "4"')
    tables = '[interfaces]\nwsgi = "a:b"\n[variants.raw]\ndescription = "SQL"\ndata = "cursor"'
    tree.app("django", tables, default="sync/nginx", core=["threads/nginx"])
    tree.app("flask", default="threads/nginx")
    for name, order, tags in (("db", 3, ["database"]), ("json", 1, ["core"]), ("updates", 9, ["database"])):
        tree.scenario(name, order=order, tags=tags)
    return tree


def ids(stacks: list[Stack]) -> list[str]:
    return [stack.id for stack in stacks]


def test_stacks_are_chosen_by_tag_pattern_and_id(small: Tree) -> None:
    found = small.load()
    assert ids(catalog.select_stacks(found, ["default"])) == ["django/sync/nginx", "flask/threads/nginx"]
    assert ids(catalog.select_stacks(found, ["core"])) == [
        "django/sync/nginx",
        "django/threads/nginx",
        "flask/threads/nginx",
    ]
    assert ids(catalog.select_stacks(found, ["flask/*"])) == [
        "flask/sync/direct", "flask/sync/nginx", "flask/threads/direct", "flask/threads/nginx",
    ]  # fmt: skip
    assert {stack.server.name for stack in catalog.select_stacks(found, ["dev"])} == {"sync"}
    assert len(catalog.select_stacks(found, ["full"])) == len(found.stacks)


def test_a_stack_chosen_twice_is_taken_once(small: Tree) -> None:
    given = ["flask/threads/nginx", "default", "flask/sync+workers=8/nginx", "flask/sync+workers=8/nginx"]
    assert ids(catalog.select_stacks(small.load(), given)) == [
        "flask/threads/nginx", "django/sync/nginx", "flask/sync+workers=8/nginx",
    ]  # fmt: skip


def test_an_option_that_repeats_its_default_is_no_other_stack(small: Tree) -> None:
    small.server("swift", '[options.loop]\ndescription = "."\ndefault = "a"\nvalues = ["a", "b"]\n'
                 '[options.workers]\ndescription = "."\ndefault = "2 * cpus"', tags=["fast"])  # fmt: skip
    found = small.load()
    plain = found.stacks["flask/swift/direct"]
    assert catalog.resolve(found, "flask/swift+loop=a/direct") == plain
    assert catalog.resolve(found, "flask/swift+loop=b/direct").id == "flask/swift+loop=b/direct"
    assert catalog.resolve(found, "flask/swift+loop=a+workers=2/direct").id == "flask/swift+workers=2/direct"
    chosen = catalog.select_stacks(found, ["flask/swift/direct", "flask/swift+loop=a/direct"])
    assert [stack.id for stack in chosen] == [plain.id]


def test_options_are_kept_in_the_order_of_their_names(small: Tree) -> None:
    stack = small.stack("django+raw/sync+workers=8+loop=b/nginx+buffer=9")
    assert stack.id == "django+raw/sync+loop=b+workers=8/nginx+buffer=9"
    assert stack.options == {"loop": "b", "workers": "8"}
    assert stack.front_options == {"buffer": "9"}
    assert stack.tags == {"full", "dev"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flsk/sync/nginx", "unknown app 'flsk'. Did you mean flask?"),
        ("flask/snyc/nginx", "unknown server 'snyc'. Did you mean sync?"),
        ("flask/sync/ngnix", "unknown front 'ngnix'. Did you mean nginx?"),
        ("django+rw/sync/nginx", "unknown variant of django 'rw'. Did you mean raw?"),
        ("flask+raw/sync/nginx", "unknown variant of flask 'raw'."),
        ("flask/sync+worker=2/nginx", "sync has no option 'worker'. Did you mean workers?"),
        ("flask/sync/nginx+bufer=2", "nginx has no option 'bufer'. Did you mean buffer?"),
        ("flask/sync+workers=0/nginx", "workers=0: must be a positive integer"),
        ("flask/sync+workers=two/nginx", "workers=two: must be a positive integer"),
        ("flask/sync+workers=08/nginx", "workers=08: must be a positive integer"),
        ("flask/sync+loop=uvloop/nginx", "loop=uvloop: must be one of a, b"),
    ],
)
def test_an_id_that_is_wrong_in_one_part_names_it(small: Tree, text: str, expected: str) -> None:
    with pytest.raises(BenchError) as caught:
        catalog.select_stacks(small.load(), [text])
    assert str(caught.value) == f"stack '{text}': {expected}"


def test_an_id_whose_parts_do_not_fit(small: Tree) -> None:
    small.front("pipe", speaks="uwsgi")
    with pytest.raises(BenchError, match=re.escape("does not fit together: sync speaks http, pipe needs uwsgi")):
        small.stack("flask/sync/pipe")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("defualt", "unknown stack or tag 'defualt'. Did you mean default"),
        ("flask/sync", "unknown stack or tag 'flask/sync'. Did you mean flask/sync/nginx"),
        ("koa/*", "no stack matches 'koa/*'; `bench list` prints them all"),
    ],
)
def test_patterns_that_choose_nothing(small: Tree, pattern: str, expected: str) -> None:
    with pytest.raises(BenchError) as caught:
        catalog.select_stacks(small.load(), [pattern])
    assert str(caught.value).startswith(expected)


def test_scenarios_are_chosen_by_name_pattern_and_tag_and_run_in_order(small: Tree) -> None:
    found = small.load()
    chosen = catalog.select_scenarios(found, ["updates", "json"])
    assert [one.name for one in chosen] == ["json", "updates"]
    assert [one.name for one in catalog.select_scenarios(found, ["database"])] == ["db", "updates"]
    assert [one.name for one in catalog.select_scenarios(found, ["*s*", "json"])] == ["json", "updates"]
    with pytest.raises(BenchError, match=r"^unknown scenario 'jsn'. Did you mean json\?$"):
        catalog.select_scenarios(found, ["json", "jsn"])


def test_what_is_said_of_keep_alive_is_what_the_command_lines_say() -> None:
    found = catalog.load()
    for server in found.servers.values():
        for word in (word for process in server.processes for word in process.argv):
            given = re.match(r"--[a-z-]*keep-?alive[a-z-]*=(\d+)$", word)
            assert not given or f"{given[1]} s" in str(server.keep_alive), f"{server.name}: {word}"
    text = (found.root / "deploy" / "fronts" / "nginx" / "nginx.conf.j2").read_text(encoding="utf-8")
    (seconds,) = re.findall(r"keepalive_timeout (\d+)s;", text)
    fronts = [front for front in found.fronts.values() if front.template]
    assert fronts
    for front in fronts:
        assert str(front.keep_alive).startswith(f"{seconds} s to clients, "), front.name
