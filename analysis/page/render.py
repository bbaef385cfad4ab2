"""From a run's evidence and pictures to the text of its page: one file that asks nothing of the network."""

import base64
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis import tables, words
from analysis.evidence import Evidence
from analysis.frames import Frames, mapping, sequence
from analysis.page import answers, effects, frontiers, head, heat, sections, tails, trials, trust
from analysis.page.sections import Blank, Picture
from analysis.palette import COLOURS, INK, MARKS, mark
from analysis.setups import setups
from analysis.troubles import not_planned, troubles

TEMPLATES = Path(__file__).parents[1] / "templates"
STYLES = ("style.css", "verdicts.css")
SCRIPTS = ("format.js", "matrix.js", "tables.js", "page.js")
"""Parts of the page's script, in the order in which they stand in it."""


def render(
    evidence: Evidence,
    pictures: Sequence[Picture],
    blanks: Sequence[Blank],
    *,
    data: str,
    language: str = "en",
    claims: Any = None,
) -> str:
    """The page as text, shown in `language` first. `data` links the run's folder; `claims` is a `claims.panel.Panel`, if there is one."""
    script = Markup("".join((TEMPLATES / name).read_text("utf-8") for name in SCRIPTS))
    matrix = _matrix(evidence)
    values = {
        "language": language,
        "languages": words.LANGUAGES,
        "heading": head.heading(evidence.frames),
        "answers": answers.answers(evidence),
        "first_screen": answers.FIRST_SCREEN,
        "trust": trust.trust(evidence),
        "claims": claims,
        "limits": head.limits(evidence),
        "matrix": matrix,
        "tables": tables.scenario_tables(evidence),
        "latencies": [(view, tables.latency_tables(evidence, view)) for view in tables.views(evidence)],
        "copies": _copies(evidence),
        "effects": effects.groups(evidence),
        "pictures": sections.by_section(pictures),
        "blanks": sections.by_section(blanks),
        "tails": tails.tails(evidence),
        "tail_heads": tails.HEADS,
        "frontiers": frontiers.frontiers(evidence),
        "troubles": troubles(evidence),
        "not_planned": not_planned(evidence),
        "trials": trials.trials(evidence),
        "columns": trials.COLUMNS,
        "data": data,
        "setups": setups(evidence.frames),
        "marks": _marks(evidence.frames),
        "environment": head.environment(evidence.frames),
        "hashes": head.hashes(evidence.frames),
        "parts": [str(part) for part in sequence(evidence.frames.header.get("parts"))],
        "colours": {**INK, **{f"fw-{name}": colour for name, colour in COLOURS.items()}},
        "style": Markup("".join((TEMPLATES / name).read_text("utf-8") for name in STYLES)),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "embedded": _embedded(evidence, matrix),
        "facets": _facets(evidence),
    }
    return environment(language).get_template("page.html").render(values)


@cache
def environment(language: str) -> Environment:
    """What templates are filled by: everything is escaped, and sentences are told in `language` first. It keeps what it has compiled."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["breakable"] = breakable
    made.filters["slug"] = slug
    made.globals |= {
        "t": words.say,
        "label": lambda name, said: words.attributes(name, said, language),
        "option": lambda said: words.attributes("data-said", said, language),
        "coded": words.Coded,
        "link": lambda text, href: words.Coded(text, "span", href),
        "code": words.Coded,
        "plainly": lambda said: words.plain(said, language),
    }
    return made


def breakable(stack: str) -> Markup:
    """A stack's id, which may be broken into lines between its parts."""
    return Markup("<wbr>").join(re.split(r"(?<=/)|(?=[+@])", stack))


def slug(stack: str) -> str:
    """A stack's id as part of an element's id."""
    return re.sub(r"[^a-z0-9]+", "-", stack.casefold()).strip("-") or "unnamed"


def _marks(frames: Frames) -> list[tuple[str, Any]]:
    """The worker models of the run: key of their words, mark."""
    models = dict.fromkeys(frames.stacks["model"])
    return [(model if model in MARKS else "unknown", mark(model)) for model in models]


def _matrix(evidence: Evidence) -> dict[str, Any]:
    """Every metric of the matrix that the run has, and the squares of the first against the first baseline."""
    metrics = [(metric, heat.columns(evidence, metric)) for metric in heat.METRICS]
    known = [
        (metric, found) for metric, found in metrics if any(one.figure for column in found for one in column.squares)
    ]
    if not known:
        return {
            "metrics": [],
            "rows": [],
            "columns": [],
            "base": 0,
            "shown": None,
            "titles": {},
            "against": _against([], 0),
        }
    base = heat.baseline(evidence)
    first, columns = known[0]
    names = [stack["stack"] for stack in evidence.stacks]
    return {
        "metrics": known,
        "shown": first,
        "columns": columns,
        "titles": {column.scenario: tables.title(evidence, column.scenario) for column in columns},
        "base": base,
        "rows": [
            (tables.names(evidence)[number], [heat.cell(column, first, number, base) for column in columns])
            for number in range(len(names))
        ],
        "against": _against(metrics[0][1], base),
        "compared": any(any(column.answers) for _, found in known for column in found),
    }


def _against(capacities: Sequence[heat.Column], base: int) -> dict[tuple[str, int], heat.Cell]:
    """By scenario and stack: its capacity against the baseline's."""
    found: dict[tuple[str, int], heat.Cell] = defaultdict(lambda: heat.Cell(state="missing", words="–"))
    for column in capacities:
        for number in range(len(column.squares)):
            found[column.scenario, number] = heat.against(column, heat.METRICS[0], number, base)
    return found


def _copies(evidence: Evidence) -> list[dict[str, Any]]:
    """A/A of capacity, by scenario."""
    found = []
    for scenario in tables.scenarios(evidence):
        one = evidence.comparisons.get((scenario, "capacity", "capacity_rps"))
        if one and one.copies.stacks:
            widest = max(one.copies.stacks, key=lambda copy: abs(copy.ratio - 1))
            found.append({"scenario": scenario, "agreement": one.copies, "margin": one.margin, "widest": widest})
    return found


def _facets(evidence: Evidence) -> dict[str, list[str]]:
    """What stacks can be filtered by: every value that occurs."""
    stacks = [_stack(evidence, number) for number in range(len(evidence.stacks))]
    return {
        key: sorted(
            {value for stack in stacks for value in ([stack[key]] if isinstance(stack[key], str) else stack[key])}
        )
        for key in ("framework", "server", "model", "front", "tags")
    }


def _stack(evidence: Evidence, number: int) -> dict[str, Any]:
    stack = evidence.stacks[number]
    plans = {str(one.get("id")): one for one in map(mapping, sequence(evidence.frames.plan.get("stacks")))}
    tags = [str(tag) for tag in sequence(plans.get(stack["stack"], {}).get("tags"))]
    parts = stack["stack"].split("/")
    return {
        "id": stack["stack"],
        "framework": stack["title"] or stack["framework"],
        "server": stack["server"] or (parts[1] if len(parts) > 1 else "?"),
        "model": stack["model"] if stack["model"] in MARKS else "unknown",
        "front": stack["front"] or (parts[2] if len(parts) > 2 else "?"),
        "tags": tags,
    }


def _embedded(evidence: Evidence, matrix: Mapping[str, Any]) -> Markup:
    """What the script works on, as JSON that cannot end its element."""
    said = {
        language: {
            key: text for key, text in words.catalogue(language).items() if key.startswith(("tip.", "unit.", "tools."))
        }
        for language in words.LANGUAGES
    }
    content = {
        "running": evidence.frames.header.get("status") == "running",
        "stacks": [_stack(evidence, number) for number in range(len(evidence.stacks))],
        "scenarios": tables.scenarios(evidence),
        "base": matrix["base"],
        "words": said,
        "edges": heat.EDGES,
        "step": heat.STEP,
        "metrics": {
            metric.key: {
                "unit": metric.unit,
                "higher": metric.higher_is_better,
                "columns": [heat.packed(column) for column in columns],
            }
            for metric, columns in matrix["metrics"]
        },
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
