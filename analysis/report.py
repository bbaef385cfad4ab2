"""The report of a run: its pictures and its page, built from what is stored and nothing else.

    load -> gather -> draw -> write

The page is one file that asks nothing of the network; the pictures lie beside it, each readable by itself.
"""

from pathlib import Path

import pandas as pd

from analysis import exports, files, pictures, tables
from analysis.charts import Chart, Sheet, discover, frame
from analysis.charts._chart import words
from analysis.charts._scene import Words
from analysis.claims import panel
from analysis.claims import report as claims
from analysis.claims.records import is_claims_run
from analysis.evidence import Evidence, gather
from analysis.frames import load
from analysis.numbers import count
from analysis.page.head import heading
from analysis.page.render import render
from analysis.page.sections import Blank, Picture, section
from analysis.stats import ALL_SCENARIOS
from analysis.words import plain, say
from bench.model import BenchError


def build(run: Path, *, out: Path | None = None, language: str = "en") -> Path:
    """Write the report of the run stored in folder `run` to `out` (default: `report` inside it); returns the page's path.

    The page holds every language and opens in `language`.

    Raises BenchError if there is no readable run or the folder cannot be written. Pictures of an earlier report are replaced.
    A run over claims has the report of `analysis.claims`.
    """
    frames = load(run)
    if is_claims_run(frames.header):
        return claims.build(run, out=out, language=language)
    evidence = gather(frames)
    out = out or run / "report"
    try:
        drawn, blank = draw_all(evidence, out / "charts")
        exports.write(evidence, out)
        target = out / "index.html"
        text = render(
            evidence, drawn, blank, data=files.link(run, out), language=language, claims=panel.newest(frames, out)
        )
        files.replace(target, text)
    except OSError as error:
        raise BenchError(
            f"{error.filename or out}: cannot write the report, {error.strerror}; choose another folder with --out"
        ) from error
    return target


def draw_all(evidence: Evidence, folder: Path) -> tuple[list[Picture], list[Blank]]:
    """Draw every chart into `folder`. Returns the pictures, and those charts for which no stack has a figure."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn: list[Picture] = []
    blank: list[Blank] = []
    written: set[str] = set()
    for number, scenario in enumerate([*tables.scenarios(evidence), ALL_SCENARIOS], 1):
        for chart in discover():
            if (chart.each == "run") != (scenario == ALL_SCENARIOS):
                continue
            title = _title(chart, evidence, scenario)
            rows = frame(evidence, chart, scenario)
            if not len(rows) or rows["metric"].isna().all():
                of = "" if scenario == ALL_SCENARIOS else scenario
                blank.append(Blank(section=section(chart.section), chart=chart.name, scenario=of))
                continue
            stem = chart.name if chart.each == "run" else f"{chart.name}-{_slug(scenario, number)}"
            picture, made = _draw(chart, rows, evidence, title, stem, scenario)
            for name, content in made.items():
                files.replace(folder / name, content)
            written |= set(made)
            drawn.append(picture)
    files.remove_pictures(folder, written)
    return drawn, blank


def _title(chart: Chart, evidence: Evidence, scenario: str) -> Words:
    return words(chart.question, scenario=scenario, load=tables.load(evidence, scenario, "latency"))


def _draw(
    chart: Chart, rows: pd.DataFrame, evidence: Evidence, title: Words, stem: str, scenario: str
) -> tuple[Picture, dict[str, bytes]]:
    head = heading(evidence.frames)
    said = _said(chart, rows[rows["metric"].notna()], evidence, scenario)
    subtitle = say("charts.subtitle", said=said, date=head["date"], mode=head["mode"], profile=head["profile"])
    footer = plain(say("charts.footer", run=head["run_id"], host=head["host"], machine=head["machine"]), "en")
    whole = chart.draw(rows, Sheet(width=pictures.FILE_WIDTH, title=title, subtitle=subtitle, footer=footer))
    made = {f"{stem}.png": pictures.png(whole), f"{stem}.svg": pictures.svg(whole)}
    small = chart.draw(rows, Sheet(width=chart.page_width))
    picture = Picture(
        section=section(chart.section),
        chart=chart.name,
        scenario="" if scenario == ALL_SCENARIOS else scenario,
        title=title,
        subtitle=said,
        width=chart.page_width,
        svg=pictures.inline_svg(small, label=say("charts.label", title=title)),
        files=tuple(f"charts/{name}" for name in made),
    )
    return picture, made


def _said(chart: Chart, rows: pd.DataFrame, evidence: Evidence, scenario: str) -> Words:
    """What a chart shows, with how much is behind its figures, and whether they have intervals."""
    view = str(rows["view"].iloc[0]) if "view" in rows else chart.view
    measure = words(chart.measure, load=tables.load(evidence, scenario, view))
    estimates = rows[rows["kind"] == "estimate"] if "kind" in rows else rows
    if not chart.counts or not len(estimates):
        return measure
    least, most = (count(value) for value in (estimates["n"].min(), estimates["n"].max()))
    n = least if least == most else say("charts.range", low=least, high=most)
    if chart.counts == "requests":
        return say("charts.said", measure=measure, behind=say("charts.requests", n=n))
    key = "charts.with_intervals" if estimates["low"].notna().any() else "charts.without_intervals"
    return say("charts.said", measure=measure, behind=say(key, n=n))


def _slug(scenario: str, number: int) -> str:
    """A scenario's name as part of a file name; its number where the name is not one."""
    plain = all(character.isascii() and (character.isalnum() or character in "-_") for character in scenario)
    return scenario if plain else f"scenario-{number}"
