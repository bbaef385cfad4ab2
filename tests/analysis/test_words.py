"""The page's sentences: every language has the same keys with the same slots, and uses one word for one thing."""

import re
from string import Formatter

import pytest

from analysis import words
from analysis.words import Coded, Listed, catalogue, named, say
from bench.model import BenchError

ENGLISH, CHINESE = catalogue("en"), catalogue("zh-Hans")
WORDLESS = {"n", "p", "MiB", "kB", "CPU", "JSON", "greenlet", "✕", "；", ""}
"""What remains of sentences that hold no word of a language."""

TERMS = {
    r"\bcapacity\b": "容量", r"\blatency\b": "延迟", r"\bpercentiles?\b": "百分位数", r"\bworker model\b": "工作模型",
    r"\bprefork\b": "预派生", r"\bthreads?\b": "线程", r"\bevent loops?\b": "事件循环", r"\bclosed loop\b": "闭环",
    r"\bopen loop\b": "开环", r"^offered\b": "施加负载", r"\btrials?\b": "试验", r"\bblocks?\b": "区组",
    r"\bintervals?\b": "区间", r"\bbaseline\b": "基线", r"\bunresolved\b": "无法区分", r"\bdrift\b": "漂移",
    r"\bgenerator\b": "压测端", r"\bthroughput\b": "吞吐量", r"\bscenarios?\b": "场景", r"\bequivalent\b": "等效",
    r"\bdepends\b": "视条件而定", r"\bties?\b": "并列",
}  # fmt: skip
"""From an English term to the one Chinese word for it."""


def slots(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def test_every_language_has_every_key() -> None:
    for language in words.LANGUAGES:
        assert catalogue(language).keys() == ENGLISH.keys(), language
        assert all(text.strip() for text in catalogue(language).values())


@pytest.mark.parametrize("key", ENGLISH)
def test_the_same_slots_are_filled(key: str) -> None:
    assert slots(CHINESE[key]) == slots(ENGLISH[key])


def test_nothing_was_left_in_english() -> None:
    left = [text for text in CHINESE.values() if not re.search(r"[\u4e00-\u9fff]", text)]
    assert {re.sub(r"\{\w+\}|[：，、。（）“” =]|\bn =", "", text) for text in left} <= WORDLESS


@pytest.mark.parametrize("term", TERMS)
def test_one_thing_has_one_name(term: str) -> None:
    told = {key: re.sub(r"\{\w*\}", "", text) for key, text in ENGLISH.items()}
    used = [key for key, text in told.items() if re.search(term, text, re.IGNORECASE)]
    assert used
    for key in used:
        assert TERMS[term] in CHINESE[key], f"{key}: {CHINESE[key]}"


def test_a_language_is_known_by_its_tag_and_by_its_short_name() -> None:
    assert [named(word) for word in ("en", "zh", "ZH", "zh-hans", "zh-Hans")] == ["en", *["zh-Hans"] * 4]
    with pytest.raises(BenchError, match="--lang fr: the report does not speak it; choose one of en, zh"):
        named("fr")


def test_a_sentence_stands_on_the_page_in_all_languages_and_what_fills_it_is_escaped() -> None:
    said = say("answer.lead", leader=Coded("<a>", "b"), value="1,200")
    assert said.html("zh-Hans") == "<b>&lt;a&gt;</b> 领先：1,200 请求/秒。"
    assert str(said) == "<a> leads: 1,200 req/s."
    assert f"<span lang=en>{said.html('en')}</span><span lang=zh-Hans>{said.html('zh-Hans')}</span>" == said.__html__()
    assert say("answer.memory").__html__() == "MiB", "what is the same in all languages is told once"


def test_lists_are_joined_as_the_language_does() -> None:
    items = Listed([Coded("x", "b"), "y", "z"])
    assert (items.plain("en"), items.plain("zh-Hans")) == ("x, y and z", "x、y 和 z")
    assert items.html("zh-Hans") == "<b>x</b>、y 和 z"


def test_one_of_a_thing_is_told_in_the_singular() -> None:
    assert [say("count.blocks", n=n).plain() for n in (1, 6)] == ["1 block", "6 blocks"]
    assert [say("count.blocks", n=n).plain("zh-Hans") for n in (1, 6)] == ["1 个区组", "6 个区组"]
