"""Which run this is, on what machine, and what its figures do not say."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from analysis import outside
from analysis.evidence import Evidence
from analysis.frames import Frames, mapping, sequence
from analysis.numbers import count, estimate, to_place
from analysis.page.trust import how_far, shared
from analysis.setups import date_words
from analysis.stats import MIN_REPLICATES
from analysis.words import Coded, Said, say

GIB = 1024**3


def heading(frames: Frames) -> dict[str, Any]:
    """Run id, date, host, mode, status and what was counted, as plain text."""
    header, environment = frames.header, mapping(frames.header.get("environment"))
    statuses = frames.trials["status"].value_counts()
    return {
        "run_id": outside.line(header.get("run_id") or frames.path.resolve().name),
        "date": when(header.get("started")),
        "host": outside.line(environment.get("host") or "host not recorded"),
        "machine": machine(environment),
        "mode": outside.line(header.get("mode") or "mode not recorded"),
        "profile": outside.line(header.get("profile") or "no profile"),
        "placed": _placed(header),
        "status": outside.line(header.get("status") or "status not recorded"),
        "state": how_far(header.get("status")),
        "command": outside.line(header.get("command") or ""),
        "time": timing(frames),
        "sampling": sampling(header),
        "counts": {status: count(int(statuses.get(status, 0))) for status in ("measured", "failed", "skipped")},
        "total": count(len(frames.trials)),
    }


def when(iso: object) -> Said | str:
    """When the run began, as each language writes it, or as it was recorded if it is no time."""
    try:
        moment = datetime.fromisoformat(str(iso))
    except ValueError:
        return date_words(iso)
    return say(
        "head.when", day=moment.day, month=say(f"month.{moment.month}"), year=moment.year, time=f"{moment:%H:%M}",
        zone=moment.tzname() or "",
    )  # fmt: skip


def timing(frames: Frames) -> Said | None:
    """How long the run took, beside what its planned blocks were expected to take; None where that was not recorded."""
    header, done = frames.header, frames.trials["block"].nunique()
    took = _seconds(header.get("elapsed_s"))
    planned, blocks = _seconds(header.get("planned_s")), frames.plan.get("blocks")
    if took is None:
        return None
    slots = {"took": _lasting(took), "done": say("count.blocks", n=done)}
    if planned is None or not isinstance(blocks, int):
        return say("head.took", **slots)
    return say("head.planned", planned=_lasting(planned), blocks=say("count.blocks", n=blocks), **slots)


def sampling(header: Mapping[str, Any]) -> Said | None:
    """The share of one CPU that reading all accounts took over the run; None where that was not recorded."""
    used, took = _seconds(header.get("sampling_cpu_s")), _seconds(header.get("elapsed_s"))
    if used is None or not took:
        return None
    return say("head.sampled", share=f"{to_place(100 * used / took, -1)}%")


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return float(value)


def _lasting(seconds: float) -> Said:
    """As coarse as a reader wants it: an estimate that is a few seconds off is right."""
    if seconds < 100:
        return say("head.seconds", n=round(seconds))
    minutes = round(seconds / 60)
    return say("head.minutes", n=minutes) if minutes < 100 else say("head.hours", n=minutes // 60, rest=minutes % 60)


def machine(environment: Mapping[str, Any]) -> str:
    """Processor, CPUs, memory, and whether it is a virtual machine, in one line."""
    cpus, memory = environment.get("cpus"), environment.get("memory_bytes")
    parts = [
        outside.line(environment.get("cpu_model") or "CPU model not recorded"),
        f"{cpus} CPUs" if cpus else "",
        f"{estimate(memory / GIB)} GiB" if isinstance(memory, int) and memory else "",
        _virtual(environment.get("virtualised")),
    ]
    return ", ".join(part for part in parts if part)


def _placed(header: Mapping[str, Any]) -> Said:
    """How stacks were deployed, and on which CPUs each side ran."""
    mode, placement = outside.line(header.get("mode") or "?"), mapping(header.get("placement"))
    cpus = {
        side: ", ".join(map(str, sequence(placement.get(side)))) for side in ("server", "database", "load", "front")
    }
    if not cpus["server"] or not cpus["load"]:
        return say("head.placed_unknown", mode=mode)
    slots = {side: outside.line(found or "?") for side, found in cpus.items()}
    apart = cpus["front"] not in ("", cpus["server"])
    return say("head.placed_front" if apart else "head.placed", mode=mode, **slots)


def _virtual(said: object) -> str:
    """What kind of virtual machine or container it is, where that was recorded as words and not as yes or no."""
    return outside.line(said) if isinstance(said, str) else "virtual machine" if said else ""


def sureness(evidence: Evidence) -> Said:
    """How sure the figures are, from how many deployments stand behind them."""
    least, most = evidence.deployments()
    if most == 0:
        return say("limits.no_figure")
    blocks = say("count.blocks", n=evidence.frames.trials["block"].nunique())
    deployments = say("count.deployments", n=most) if least == most else say("count.between", least=least, most=most)
    if not evidence.has_intervals:
        return say("limits.no_intervals", blocks=blocks, deployments=deployments, least=MIN_REPLICATES)
    return say("limits.intervals", blocks=blocks, deployments=deployments)


def limits(evidence: Evidence) -> list[Said]:
    """What the figures are not."""
    header = evidence.frames.header
    placement, environment = mapping(header.get("placement")), mapping(header.get("environment"))
    server = sequence(placement.get("server"))
    said: list[Said] = []
    if server:
        of = say("limits.of", cpus=environment["cpus"]) if environment.get("cpus") else ""
        front = len(set(sequence(placement.get("front"))) - set(server))
        apart = say("limits.front_apart", n=front) if front else say("limits.front_included")
        said.append(say("limits.cpus", cpus=say("count.cpus", n=len(server)), of=of, front=apart))
    said += [shared(text) for text in sequence(placement.get("shared"))]
    said += [say("limits.loopback"), say("limits.drift"), sureness(evidence)]
    said += [say(f"limits.{key}") for key in ("one_program", "relative")]
    state = header.get("status")
    if state != "finished":
        said.append(say("limits.not_complete", status=how_far(state)))
    notes = [say("words.recorded", text=Coded(_sentence(note), "span")) for note in sequence(header.get("notes"))]
    return list({one.plain(): one for one in [*said, *notes]}.values())


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


def hashes(frames: Frames) -> list[tuple[str, str]]:
    """What the run was made with: the first digits of SHA-256 over the files."""
    stored = mapping(frames.header.get("hashes"))
    found = [(key, outside.line(stored[key])) for key in ("contract", "suite") if stored.get(key)]
    found += [(f"scenario {outside.line(k)}", outside.line(v)) for k, v in mapping(stored.get("scenarios")).items()]
    for stack, parts in mapping(stored.get("stacks")).items():
        told = ", ".join(f"{outside.line(k)} {outside.line(v)}" for k, v in mapping(parts).items() if v)
        found.append((outside.line(stack), told))
    return found
