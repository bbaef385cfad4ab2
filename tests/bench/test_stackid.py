"""The grammar of stack ids holds for years: what is written reads back as the same stack."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.model import BenchError
from bench.stackid import NAME, StackId, parse

part = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=6)
name = st.lists(part, min_size=1, max_size=3).map("-".join)
value = st.text("abcXYZ019._", min_size=1, max_size=8)
options = st.dictionaries(name, value, max_size=4)
ids = st.builds(
    StackId, app=name, server=name, front=name, variant=st.none() | name, version=st.none() | value,
    server_options=options, front_options=options,
)  # fmt: skip
always = settings(deadline=None, derandomize=True, max_examples=50)


def slug(text: str) -> str:
    return text.replace("/", "--")


@always
@given(ids)
def test_an_id_reads_back_as_it_was_written(given_id: StackId) -> None:
    assert parse(str(given_id)) == given_id
    assert str(parse(str(given_id))) == str(given_id)


@always
@given(ids, st.randoms(use_true_random=False))
def test_equal_stacks_have_equal_ids_in_whatever_order_options_came(given_id: StackId, chance: random.Random) -> None:
    def mixed(pairs: dict[str, str]) -> str:
        items = list(pairs.items())
        chance.shuffle(items)
        return "".join(f"+{key}={one}" for key, one in items)

    app, server, front = str(given_id).split("/")
    text = (
        f"{app}/{server.partition('+')[0]}{mixed(dict(given_id.server_options))}"
        f"/{front.partition('+')[0]}{mixed(dict(given_id.front_options))}"
    )
    assert str(parse(text)) == str(given_id)


@always
@given(ids, ids)
def test_unlike_stacks_have_unlike_slugs(one: StackId, other: StackId) -> None:
    assert (slug(str(one)) == slug(str(other))) == (one == other)


def test_the_parts_of_a_full_id() -> None:
    found = parse("django+raw@6.1/uvicorn+workers=8+loop=uvloop/nginx+transport=tcp")
    assert (found.app, found.variant, found.version) == ("django", "raw", "6.1")
    assert found.server_options == {"loop": "uvloop", "workers": "8"}
    assert found.front_options == {"transport": "tcp"}
    assert str(found) == "django+raw@6.1/uvicorn+loop=uvloop+workers=8/nginx+transport=tcp"


@pytest.mark.parametrize(
    "text",
    [
        "", "flask", "flask/gunicorn", "a/b/c/d", "Flask/x/y", "flask/x/y ", "flask/x/y\n", "a--b/x/y", "-a/x/y",
        "a/x+workers/y", "a/x+workers=/y", "a/x+workers=../y/z", "a@/x/y", "a+/x/y", "../x/y", "a/x+w=1-2/y", "a@1@2/x/y",
    ],
)  # fmt: skip
def test_what_does_not_follow_the_grammar_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BenchError, match="is not a stack id; it reads app") as caught:
        parse(text)
    assert "flask/gunicorn-sync+workers=8/nginx" in str(caught.value)


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(BenchError, match="gives an option twice"):
        parse("a/x+w=1+w=2/y")


@always
@given(name)
def test_names_have_no_two_hyphens_in_a_row(text: str) -> None:
    assert NAME.fullmatch(text)
    assert not NAME.fullmatch(f"{text}--{text}")
