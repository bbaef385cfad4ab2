"""The report of a claims run: verdicts.json, the pictures, and the page, from what is stored and nothing else.

load -> judge -> draw -> write
"""

from pathlib import Path

from analysis import files, outside, pictures
from analysis.charts import Sheet
from analysis.claims import drawing, page, text
from analysis.claims.document import document
from analysis.claims.page import Shown
from analysis.claims.records import ClaimsRun, load
from analysis.claims.verdict import Judged, judge
from analysis.frames import mapping
from analysis.page.sections import Picture
from analysis.setups import date_words
from analysis.words import say
from bench.model import BenchError

PAGE_WIDTH = 388.0
"""CSS pixels: what a phone shows without scrolling sideways; two or three beside each other on a desk."""


def build(folder: Path, *, out: Path | None = None, language: str = "en") -> Path:
    """Write the report of the claims run stored in `folder` to `out` (default: `report` inside it); returns the page's path.

    Raises BenchError if there is no readable claims run or the folder cannot be written. Pictures of an earlier report are replaced.
    """
    run = load(folder)
    out = out or folder / "report"
    judged = judge(run)
    try:
        shown = [Shown(judged=one, pictures=draw(run, one, out / "charts")) for one in judged]
        names = {one.judged.number: [file for picture in one.pictures for file in picture.files] for one in shown}
        (out / "charts").mkdir(parents=True, exist_ok=True)
        files.remove_pictures(out / "charts", {Path(name).name for found in names.values() for name in found})
        files.replace(out / "verdicts.json", text.as_json(document(run, judged, names)))
        files.replace(out / "index.html", page.render(run, shown, data=files.link(folder, out), language=language))
    except OSError as error:
        raise BenchError(
            f"{error.filename or out}: cannot write the report, {error.strerror}; choose another folder with --out"
        ) from error
    return out / "index.html"


def draw(run: ClaimsRun, judged: Judged, folder: Path) -> list[Picture]:
    """Draw what there is to show of a claim into `folder`, as PNG and SVG, and for the page."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Picture] = []
    for one in drawing.pictures(run, judged):
        stem = f"claim-{judged.number:02d}-{one.kind}"
        whole = one.draw(sheet(run, judged, one.kind))
        made = {f"{stem}.png": pictures.png(whole), f"{stem}.svg": pictures.svg(whole)}
        for name, content in made.items():
            files.replace(folder / name, content)
        title = say(f"claims.chart.{one.kind}")
        small = one.draw(Sheet(width=PAGE_WIDTH))
        found.append(
            Picture(
                section="claims", chart=one.kind, scenario="", title=title, subtitle=say(f"claims.chart.{one.kind}_note"),
                width=PAGE_WIDTH,
                svg=pictures.inline_svg(small, label=say("claims.chart.label", title=title)),
                files=tuple(f"charts/{name}" for name in made),
            )
        )  # fmt: skip
    return found


def sheet(run: ClaimsRun, judged: Judged, kind: str) -> Sheet:
    """What a picture that stands alone is drawn on: the claim as its title, and from where it is."""
    title = judged.claim.title.english
    where = outside.line(mapping(run.header.get("environment")).get("host") or "host not recorded")
    return Sheet(
        width=pictures.FILE_WIDTH,
        title=f"{judged.number}. {title}",
        subtitle=f"{say(f'claims.chart.{kind}').plain('en')}. {say(f'claims.chart.{kind}_note').plain('en')}",
        footer=f"forkloop run {run.run_id} on {where}, {date_words(run.header.get('started'))}. Relative to this machine only.",
    )


def summary(folder: Path) -> str:
    """Every verdict in a few lines each, for a terminal."""
    run = load(folder)
    return text.summary(run, judge(run))
