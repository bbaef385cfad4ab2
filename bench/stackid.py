"""The grammar of stack ids, fixed since ids are stored for years.

app[+variant][@version]/server[+option=value...]/front[+option=value...]
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bench.model import BenchError

_NAME = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_OPTION = rf"\+{_NAME}=[A-Za-z0-9._]+"
_ID = re.compile(
    rf"(?P<app>{_NAME})(?:\+(?P<variant>{_NAME}))?(?:@(?P<version>[A-Za-z0-9._]+))?"
    rf"/(?P<server>{_NAME})(?P<server_options>(?:{_OPTION})*)"
    rf"/(?P<front>{_NAME})(?P<front_options>(?:{_OPTION})*)"
)
NAME = re.compile(_NAME)


@dataclass(frozen=True, kw_only=True)
class StackId:
    """A parsed id; options are kept in the order of their names, so that equal stacks have equal ids."""

    app: str
    server: str
    front: str
    variant: str | None = None
    version: str | None = None
    server_options: Mapping[str, str]
    front_options: Mapping[str, str]

    def __str__(self) -> str:
        variant = f"+{self.variant}" if self.variant else ""
        version = f"@{self.version}" if self.version else ""
        return (
            f"{self.app}{variant}{version}/{self.server}{_format(self.server_options)}"
            f"/{self.front}{_format(self.front_options)}"
        )


def parse(text: str) -> StackId:
    """The parts of a stack id. Raises BenchError where the text does not follow the grammar."""
    found = _ID.fullmatch(text)
    if not found:
        raise BenchError(
            f"'{text}' is not a stack id; it reads app[+variant][@version]/server[+option=value]/front[+option=value], "
            "as in flask/gunicorn-sync+workers=8/nginx"
        )
    return StackId(
        app=found["app"], variant=found["variant"], version=found["version"], server=found["server"],
        front=found["front"], server_options=_options(text, found["server_options"]),
        front_options=_options(text, found["front_options"]),
    )  # fmt: skip


def _options(text: str, part: str) -> Mapping[str, str]:
    pairs = [item.split("=", 1) for item in part.split("+") if item]
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise BenchError(f"'{text}' gives an option twice")
    return dict(sorted((name, value) for name, value in pairs))


def _format(options: Mapping[str, str]) -> str:
    return "".join(f"+{name}={value}" for name, value in sorted(options.items()))
