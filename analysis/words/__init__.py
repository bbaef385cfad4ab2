"""The page's sentences in every language: one TOML file each, with the same keys and the same named slots.

A text is a `Said`: its key and what fills its slots. It becomes plain text in one language, or the HTML of all, of which the page shows
one. So nothing has to be written twice, and no language can lack a figure that another has.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from markupsafe import Markup, escape

from bench.model import BenchError

LANGUAGES: Mapping[str, str] = {"en": "English", "zh-Hans": "简体中文"}
"""From tag (BCP 47) to its name in itself. The first is the language of a page that none was chosen for."""

FOLDER = Path(__file__).parent


def named(word: str) -> str:
    """The tag that `word` stands for: `zh` and `zh-hans` are both Simplified Chinese. Raises BenchError for what there is not."""
    for tag in LANGUAGES:
        if word.casefold() in (tag.casefold(), _file(tag)):
            return tag
    known = ", ".join(_file(tag) for tag in LANGUAGES)
    raise BenchError(f"--lang {word}: the report does not speak it; choose one of {known}")


def _file(tag: str) -> str:
    return tag.partition("-")[0]


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """From key (`table.name`, or `table.name.one` where a number is told in the singular) to the sentence.

    A part of the report may keep its sentences in a folder of its own, such as `claims/`.
    """
    name = f"{_file(language)}.toml"
    files = [FOLDER / name, *sorted(FOLDER.glob(f"*/{name}"))]
    return {key: text for file in files for key, text in _flat(tomllib.loads(file.read_text("utf-8")), "")}


def _flat(table: Mapping[str, object], prefix: str) -> list[tuple[str, str]]:
    found = []
    for key, value in table.items():
        found += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(prefix + key, str(value))]
    return found


@dataclass(frozen=True)
class Said:
    """One sentence. Slots hold texts, numbers already rounded, other sentences, or pieces of `Coded` and `Listed`."""

    key: str
    slots: Mapping[str, object] = field(default_factory=dict)

    def plain(self, language: str = "en") -> str:
        """The text in one language, without markup."""
        filled = {name: plain(value, language) for name, value in self.slots.items()}
        return self._sentence(language).format(**filled)

    def html(self, language: str) -> Markup:
        """The text in one language: what fills the slots is escaped."""
        filled = {name: html(value, language) for name, value in self.slots.items()}
        return Markup(self._sentence(language)).format(**filled)

    def _sentence(self, language: str) -> str:
        sentences = catalogue(language)
        single = f"{self.key}.one"
        if str(self.slots.get("n")) == "1" and single in sentences:
            return sentences[single]
        return sentences[self.key] if self.key in sentences else sentences[f"{self.key}.other"]

    def __html__(self) -> str:
        return every(self)

    def __str__(self) -> str:
        return self.plain()


@dataclass(frozen=True)
class Coded:
    """Outside text as an element of the page: a stack's name, a command. `href` makes it a link."""

    text: str
    tag: str = "code"
    href: str = ""

    def plain(self, language: str = "en") -> str:
        """The text alone."""
        return self.text

    def html(self, language: str) -> Markup:
        """The element, its text escaped."""
        inside = Markup("<{0}>{1}</{0}>").format(Markup(self.tag), self.text)
        return Markup('<a href="{}">{}</a>').format(self.href, inside) if self.href else inside

    def __html__(self) -> str:
        return self.html("en")


@dataclass(frozen=True)
class Listed:
    """Items joined as the language does: "a, b and c"."""

    items: Sequence[object]
    last: str = "list.last"
    """The key of what stands before the last item; `list.between` where more follows that is told otherwise, `list.apart` for items that
    hold commas themselves: these stand between all.
    """

    def plain(self, language: str = "en") -> str:
        """The items in one language, without markup."""
        return self._join([plain(item, language) for item in self.items], catalogue(language))

    def html(self, language: str) -> Markup:
        """The same with markup."""
        words = {key: str(escape(text)) for key, text in catalogue(language).items() if key.startswith("list.")}
        return Markup(self._join([str(html(item, language)) for item in self.items], words))

    def _join(self, items: list[str], words: Mapping[str, str]) -> str:
        if len(items) < 2:
            return "".join(items)
        if self.last != "list.last":
            return words[self.last].join(items)
        return words["list.last"].format(words["list.between"].join(items[:-1]), items[-1])

    def __html__(self) -> str:
        return every(self)


@dataclass(frozen=True)
class Spoken:
    """A text that came with both languages, such as a claim's title: outside text, told in the page's."""

    english: str
    chinese: str

    def plain(self, language: str = "en") -> str:
        """The text in one language."""
        return self.chinese if language.startswith("zh") else self.english

    def html(self, language: str) -> Markup:
        """The text in one language, escaped."""
        return Markup(escape(self.plain(language)))

    def __html__(self) -> str:
        return every(self)

    def __str__(self) -> str:
        return self.english


Words = Said | Coded | Listed | Spoken
"""What says itself in each language."""


def plain(value: object, language: str) -> str:
    """Anything that may fill a slot, as plain text."""
    return value.plain(language) if isinstance(value, Words) else str(value)


def html(value: object, language: str) -> Markup:
    """Anything that may fill a slot, as HTML."""
    return value.html(language) if isinstance(value, Words) else Markup(escape(value))


def every(value: object) -> Markup:
    """All languages, each in an element of which the style sheet shows one; text that is the same in all is told once."""
    texts = {language: html(value, language) for language in LANGUAGES}
    if len(set(texts.values())) == 1:
        return texts["en"]
    return Markup("").join(Markup("<span lang={}>{}</span>").format(Markup(tag), text) for tag, text in texts.items())


def attributes(name: str, value: object, language: str) -> Markup:
    """An attribute such as `aria-label`, in `language`, with the others beside it for the switch."""
    others = Markup(" ").join(
        Markup('data-{}-{}="{}"').format(name, tag.lower(), plain(value, tag)) for tag in LANGUAGES
    )
    return Markup('{}="{}" {}').format(Markup(name), plain(value, language), others)


def known(key: str) -> bool:
    """Whether there is a sentence of that key."""
    return key in catalogue("en")


def say(key: str, **slots: object) -> Said:
    """The sentence `key` with its slots filled."""
    return Said(key, slots)
