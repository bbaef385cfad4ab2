"""The page's content, as values that the template prints: every text is plain, every number already rounded."""

from collections.abc import Mapping
from typing import Any

from analysis import outside
from analysis.evidence import Evidence
from analysis.frames import Frames, mapping, sequence
from analysis.numbers import count, estimate
from analysis.setups import date_words
from analysis.stats import MIN_REPLICATES

GIB = 1024**3


def heading(frames: Frames) -> dict[str, Any]:
    """Run id, date, host, mode, status and what was counted, for the top of the page."""
    header, environment = frames.header, mapping(frames.header.get("environment"))
    cpus, memory = environment.get("cpus"), environment.get("memory_bytes")
    machine = [
        outside.line(environment.get("cpu_model") or "CPU model not recorded"),
        f"{cpus} CPUs" if cpus else "",
        f"{estimate(memory / GIB)} GiB" if isinstance(memory, int) and memory else "",
        _virtual(environment.get("virtualised")),
    ]
    statuses = frames.trials["status"].value_counts()
    return {
        "run_id": outside.line(header.get("run_id") or frames.path.resolve().name),
        "date": date_words(header.get("started")),
        "host": outside.line(environment.get("host") or "host not recorded"),
        "machine": ", ".join(part for part in machine if part),
        "mode": outside.line(header.get("mode") or "mode not recorded"),
        "profile": outside.line(header.get("profile") or "no profile"),
        "status": outside.line(header.get("status") or "status not recorded"),
        "command": outside.line(header.get("command") or ""),
        "counts": {status: count(int(statuses.get(status, 0))) for status in ("measured", "failed", "skipped")},
        "total": count(len(frames.trials)),
    }


def _virtual(said: object) -> str:
    """What kind of virtual machine or container it is, where that was recorded as words and not as yes or no."""
    return outside.line(said) if isinstance(said, str) else "virtual machine" if said else ""


def sureness(evidence: Evidence) -> str:
    """How sure the figures are, from how many deployments stand behind them."""
    least, most = evidence.deployments()
    blocks = evidence.frames.trials["block"].nunique()
    if most == 0:
        return "No figure was measured."
    deployments = f"{least}" if least == most else f"{least} to {most}"
    said = f"{blocks} block{'s' * (blocks != 1)}, {deployments} deployment{'s' * (most != 1)} of each stack"
    if not evidence.has_intervals:
        return (
            f"{said}: no intervals, no ranks. An interval needs {MIN_REPLICATES} blocks. "
            "Figures have two digits; their order is not a ranking."
        )
    return (
        f"{said}: 95% intervals in brackets, by Student's t on the logarithms of the blocks, each for itself. "
        "They do not tell who differs, since drift is common to all stacks; the tables of who differs do."
    )


def shortly_sure(evidence: Evidence) -> str:
    """`sureness` for readers who have read it."""
    least, most = evidence.deployments()
    counted = f"n = {least}" if least == most else f"n = {least} to {most}"
    return (
        f"{counted}: {'95% intervals in brackets' if evidence.has_intervals else 'no intervals, no ranks'}."
        if most
        else ""
    )


def limits(evidence: Evidence) -> list[str]:
    """What the figures are not, before any of them is shown."""
    header = evidence.frames.header
    placement, environment = mapping(header.get("placement")), mapping(header.get("environment"))
    server = sequence(placement.get("server"))
    said = []
    if server:
        of = f" of the machine's {environment['cpus']}" if environment.get("cpus") else ""
        front = len(set(sequence(placement.get("front"))) - set(server))
        apart = f"its front {front} more" if front else "its front included"
        said.append(
            f"The stack under load had {len(server)} CPU{'s' * (len(server) != 1)}{of}, {apart}. "
            "Nothing here says how it scales with more."
        )
    said += [_sentence(text) for text in sequence(placement.get("shared"))]
    said += [
        "Clients reach the servers over loopback: no network latency, no loss, no limit of bandwidth.",
        "The machine drifts: its neighbours on the host slow one moment and not the next, often by more than frameworks differ. "
        "Alternating short slices takes out much of that, not all.",
        sureness(evidence),
    ]
    state = header.get("status")
    if state != "finished":
        said.append(
            f"The run is not complete, its status is {outside.line(state or 'not recorded')}: what follows was stored so far."
        )
    notes = [_sentence(note) for note in sequence(header.get("notes"))]
    return list(dict.fromkeys([*said, *notes]))


def _sentence(note: object) -> str:
    text = outside.line(note).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def environment(frames: Frames) -> list[tuple[str, str]]:
    """Everything recorded about the environment, by name."""
    environment = mapping(frames.header.get("environment"))
    flat: dict[str, object] = {key: value for key, value in environment.items() if not isinstance(value, Mapping)}
    flat |= {f"{name}": version for name, version in mapping(environment.get("packages")).items()}
    placement = mapping(frames.header.get("placement"))
    flat |= {
        f"CPUs of {side}": ", ".join(map(str, cpus))
        for side in ("server", "front", "database", "load")
        if (cpus := sequence(placement.get(side)))
    }
    return [(outside.line(key), outside.line(value)) for key, value in flat.items() if value is not None]
