"""The panel on the first page of a report over stacks: every verdict of the newest claims run of the same machine and mode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import files, outside
from analysis.claims import sentences
from analysis.claims.page import ICONS, kind
from analysis.claims.records import FILE, is_claims_run, load
from analysis.claims.verdict import Judged, judge
from analysis.frames import Frames, mapping
from analysis.page.head import when
from analysis.words import Said, Spoken
from bench.model import BenchError
from bench.store import read_run


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One claim in the panel. `href` is empty where there is no report to link."""

    number: int
    title: Spoken | str
    kind: str
    icon: str
    word: Said
    sentence: Said
    href: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """All of them, and the run that they are of. `href` links its report, if it has one."""

    run_id: str
    date: Said | str
    href: str
    verdicts: Sequence[Verdict]

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """Icon and kind of every verdict that occurs."""
        return [(icon, name) for name, icon in ICONS.items() if any(one.kind == name for one in self.verdicts)]


def newest(frames: Frames, page_folder: Path) -> Panel | None:
    """The newest claims run beside the run of `frames`, on the same host in the same mode; None where there is none to read.

    `page_folder`: where the page lies that is to hold the panel.
    """
    folder = frames.path.resolve()
    for other in sorted(folder.parent.iterdir(), reverse=True):  # run ids begin with the time
        if other == folder or other.is_symlink() or not (other / FILE).is_file():
            continue
        try:
            if not _alike(read_run(other).header, frames.header):
                continue
            run = load(other)
            judged = judge(run)
        except (BenchError, OSError):  # a claims run that cannot be read is told by its own report
            continue
        if judged:
            page = other / "report" / "index.html"
            href = files.link(page, page_folder) if page.is_file() else ""
            return Panel(
                run_id=run.run_id,
                date=when(run.header.get("started")),
                href=href,
                verdicts=[_verdict(one, href) for one in judged],
            )
    return None


def _alike(header: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a header is that of a claims run on the machine and in the mode of the other run."""
    hosts = [outside.line(mapping(one.get("environment")).get("host") or "") for one in (header, other)]
    return is_claims_run(header) and hosts[0] == hosts[1] and header.get("mode") == other.get("mode")


def _verdict(judged: Judged, href: str) -> Verdict:
    said = sentences.sentence(judged)
    return Verdict(
        number=judged.number,
        title=judged.claim.title,
        kind=kind(judged),
        icon=ICONS[kind(judged)],
        word=sentences.word(judged),
        sentence=said[0],
        href=f"{href}#claim-{judged.number}" if href else "",
    )
