"""Tables beside the estimates: percentiles over all requests of a stack, and what one part of a stack does."""

import pandas as pd

from analysis import spectra
from analysis.evidence import Evidence
from analysis.stats.effects import effects

PERCENTILE_COLUMNS = (
    "scenario", "view", "stack", "percentile", "estimate_ms", "low", "high", "requests", "blocks", "flags",
)  # fmt: skip
EFFECT_COLUMNS = (
    "scenario", "view", "metric", "better", "part", "before", "after", "ratio", "low", "high", "pairs", "alike", "answer", "margin",
)  # fmt: skip


def percentiles(evidence: Evidence) -> pd.DataFrame:
    """A row, with `PERCENTILE_COLUMNS`, for each percentile of each open-loop cell whose requests are stored."""
    rows = [
        {
            "scenario": scenario, "view": view, "stack": stack, "percentile": spectra.words(share), "estimate_ms": found.values[number],
            "low": found.low[number], "high": found.high[number], "requests": found.n, "blocks": found.blocks,
            "flags": " ".join(flag for cell in evidence.of(stack, scenario, view) for flag in cell["flags"]),
        }
        for (scenario, view, stack), found in evidence.spectra.items()
        for number, share in enumerate(found.shares)
        if share in spectra.NAMED
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(PERCENTILE_COLUMNS))
    return frame.astype(
        dict.fromkeys(("estimate_ms", "low", "high"), "float64") | dict.fromkeys(("requests", "blocks"), "Int64")
    )


def parts(evidence: Evidence) -> pd.DataFrame:
    """A row, with `EFFECT_COLUMNS`, for each effect of one part in each comparison."""
    rows = [
        {
            "scenario": found.scenario, "view": found.view, "metric": found.metric, "better": found.better, "part": one.axis,
            "before": one.before, "after": one.after, "ratio": one.ratio, "low": one.low, "high": one.high, "pairs": one.n,
            "alike": one.alike, "answer": one.answer, "margin": found.margin,
        }
        for found in evidence.comparisons.values()
        if found.pairs
        for one in effects(found, evidence.stacks)
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(EFFECT_COLUMNS))
    floats = ("ratio", "low", "high", "alike", "margin")
    return frame.astype(dict.fromkeys(floats, "float64") | {"pairs": "Int64"})
