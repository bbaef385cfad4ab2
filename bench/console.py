"""What a run says while it goes: on a terminal a bar, the time left and the figures so far; plain lines elsewhere."""

import itertools
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from bench import sofar

SCENARIOS_BESIDE = 4
"""Columns of the summary that leave room for a stack's id at 80 columns."""
BESIDE_TABLE = 8
"""Lines of a terminal that are left for what is not the table of figures."""


class Progressing:
    """Progress over cells of unequal length: `left` is what their planned seconds say, corrected by how true they were so far.

    Trials that are `kept` give the figures so far; a flag is told when a stack first gets it in a scenario, and then counted.
    """

    def __init__(self, seconds: Mapping[str, float], *, console: Console) -> None:
        self._seconds = dict(seconds)
        self._console = console
        self._done_s = 0.0
        self._began: float | None = None
        self._at: str | None = None
        self._figures = sofar.Figures()
        self._scenario = ""
        self._flags: dict[tuple[str, ...], int] = {}
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=18), TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[left]}"), auto_refresh=False,
        )  # fmt: skip
        self._task = self._bar.add_task("starting", total=max(sum(self._seconds.values()), 1e-9), left="")
        self._view: RenderableType = self._bar
        self._live = Live(get_renderable=lambda: self._view, console=console, transient=True)

    def __enter__(self) -> "Progressing":
        if self._drawn:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            self._live.stop()

    @property
    def _drawn(self) -> bool:
        return self._console.is_terminal and not self._console.quiet

    @property
    def figures(self) -> sofar.Figures:
        """What the trials that were kept come to."""
        return self._figures

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def kept(self, trials: Sequence[Mapping[str, Any]]) -> None:
        """Trials of one cell were stored: tell what failed and what has a new flag, and how the figures stand now."""
        for one in trials:
            if one["status"] == "failed":
                self.say(f"  failed: {one['stack']} {one['scenario']} {one['view']}: {one['reason']}")
            for flag in one["flags"]:
                key = (flag, one["stack"], one["scenario"], one["view"])
                self._flags[key] = self._flags.get(key, 0) + 1
                if self._flags[key] == 1:
                    self.say(f"  flagged: {one['stack']} {one['scenario']} {one['view']}: {flag}")
        self._figures.add(trials)
        closed = [one["scenario"] for one in trials if one["view"] == "capacity" and one["status"] == "measured"]
        if closed:
            self._scenario = closed[0]
            if not self._drawn:
                self.say(sofar.line(self._scenario, self._figures.of(self._scenario)))
        self._redraw()

    def earlier(self, trials: Sequence[Mapping[str, Any]]) -> None:
        """Trials that were stored before this session began: they count, and are not told again."""
        self._figures.add(trials)

    def _redraw(self) -> None:
        found = self._figures.of(self._scenario)
        parts: list[RenderableType] = [self._bar]
        if self._flags:
            parts.append(f"{sum(self._flags.values())} flags on trials so far")
        if found:
            parts.append(sofar.table(self._scenario, found, most=max(3, self._console.height - BESIDE_TABLE)))
        self._view = Group(*parts)

    def plan(self, seconds: Mapping[str, float]) -> None:
        """Cells that are to come and were not all planned from the beginning."""
        self._seconds.update({name: one for name, one in seconds.items() if name not in self._seconds})
        self._bar.update(self._task, total=sum(self._seconds.values()))

    def skip(self, names: Collection[str]) -> None:
        """Cells that were done before."""
        for name in names:
            self._seconds.pop(name, None)

    def cell(self, name: str, title: str) -> Callable[[float], None]:
        """Begin the cell `name`; the function returned takes how much of it is done, 0 to 1."""
        if self._began is None:
            self._began = time.monotonic()
        elif self._at is not None:
            self._done_s += self._seconds[self._at]
        self._at = name
        self._seconds.setdefault(name, 0.0)
        self._bar.update(self._task, description=title)
        if not self._drawn:
            self.say(f"{title}  ({self._left(0.0)})")

        def advance(share: float) -> None:
            done = self._done_s + min(share, 1.0) * self._seconds[name]
            self._bar.update(self._task, completed=done, left=self._left(share))

        advance(0.0)
        return advance

    def refresh(self) -> None:
        """Draw now."""
        self._live.refresh()

    def _left(self, share: float) -> str:
        assert self._at is not None
        assert self._began is not None
        done = self._done_s + min(share, 1.0) * self._seconds[self._at]
        rest = sum(self._seconds.values()) - done
        pace = (time.monotonic() - self._began) / done if done > 5 else 1.0
        return f"{readable(rest * pace)} left"


def readable(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `1 h 05 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def summary(trials: Sequence[Mapping[str, Any]], scenarios: Sequence[str]) -> Group:
    """Capacity by stack and scenario, at 80 columns: total requests over total time of all replicates, in requests per second."""
    return Group(*(_table(trials, some) for some in itertools.batched(scenarios, SCENARIOS_BESIDE)))


def _table(trials: Sequence[Mapping[str, Any]], scenarios: Sequence[str]) -> Table:
    table = Table(title="Capacity, requests/s (closed loop)", box=None, pad_edge=False, title_justify="left")
    table.add_column("stack", no_wrap=True, overflow="ellipsis", ratio=1)
    for scenario in scenarios:
        table.add_column(scenario, justify="right", no_wrap=True, overflow="ellipsis")
    table.expand = True
    for stack in dict.fromkeys(trial["stack"] for trial in trials):
        cells = []
        for scenario in scenarios:
            mine = [t for t in trials if (t["stack"], t["scenario"], t["view"]) == (stack, scenario, "capacity")]
            good = [t for t in mine if t["status"] == "measured"]
            if good:
                rate = sum(t["requests"] for t in good) / sum(t["seconds"] for t in good)
                marks = ("*" if any(t["flags"] for t in good) else "") + ("!" if len(good) < len(mine) else "")
                cells.append(f"{rate:,.0f}{marks}" if rate >= 100 else f"{rate:.1f}{marks}")
            else:
                cells.append(mine[0]["status"] if mine else "-")
        table.add_row(stack, *cells)
    return table
