"""Applications in other languages than Python: where their runtime comes from, and how their environment is made.

An environment of theirs has `bin/`, as Python's has, with all that a server's command line may name.
"""

from collections.abc import Mapping

from bench.languages import go, node
from bench.languages.language import AbsentError, Language, Tools

LANGUAGES: Mapping[str, Language] = {one.name: one for one in (node.LANGUAGE, go.LANGUAGE)}

__all__ = ["LANGUAGES", "AbsentError", "Language", "Tools"]
