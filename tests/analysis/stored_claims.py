"""A stored claims run made of chosen numbers: claims with every verdict, and requests around a burn and a crash."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Table = dict[str, Any]
RUN_ID = "20261127-010000-beef"


def both(text: str, zh: str = "") -> Table:
    """A text in both languages."""
    return {"en": text, "zh": zh or f"中文：{text}"}


def arm(name: str, stack: str = "tornado/single/direct", **parameters: Any) -> Table:
    """An arm of a claim's file."""
    return {"name": name, "label": both(name.replace("-", " ")), "stack": stack, "parameters": parameters}


def check(name: str, metric: str, arm: str, supports: str, refutes: str, **rest: Any) -> Table:
    """A check of a claim's file."""
    return {
        "name": name, "when": both(name.replace("-", " ")), "metric": metric, "arm": arm, "supports": supports,
        "refutes": refutes, **rest,
    }  # fmt: skip


def control(name: str, metric: str, arm: str, expect: str, **rest: Any) -> Table:
    """A control of a claim's file."""
    return {"name": name, "when": both(name.replace("-", " ")), "metric": metric, "arm": arm, "expect": expect, **rest}


def claim(number: int, arms: Sequence[Table], checks: Sequence[Table], controls: Sequence[Table], **rest: Any) -> Table:
    """A claim's file."""
    return {
        "number": number, "title": both(f"Claim {number}", f"命题 {number}"), "statement": both(f"What claim {number} says"),
        "quote": "一旦应用程序有大量的 CPU 计算,就会让这个线程堵住", "quote_en": "this thread is blocked",
        "source": "the article, section 6",
        "prediction": both("a prediction"), "mechanism": both("a mechanism"), "changes": both("a change"), "traps": [both("a trap")],
        "experiment": "burn", "quick": True, "server_cpus": 1, "replicates": 6, "parameters": {}, "arm": list(arms),
        "check": list(checks), "control": list(controls), "headline": {"check": checks[0]["name"] if checks else ""}, **rest,
    }  # fmt: skip


def record(number: int, arm: str, replicate: int, metrics: Table, **rest: Any) -> Table:
    """A measured record."""
    return {
        "schema": 1, "run_id": RUN_ID, "claim": number, "arm": arm, "replicate": replicate, "deployment_id": f"{arm}-{replicate}",
        "stack": "tornado/single/direct", "mode": "native", "status": "measured", "reason": None, "log_tail": None, "flags": [],
        "parameters": {}, "started": "2026-11-27T01:00:00+00:00", "offset_s": 1.0, "metrics": metrics, "events": [], "requests": None,
        "cpu_s": None, "pss_bytes": None, "observed": {"commands": [], "workers": 4}, **rest,
    }  # fmt: skip


def several(number: int, arm: str, metric: str, values: Sequence[float], *, of: int | None = None) -> list[Table]:
    """A record for each value of a metric, a replicate each; of a share, with its count of trials."""
    counted = {f"{metric}_of": of} if of is not None else {}
    return [record(number, arm, n, {metric: value, **counted}) for n, value in enumerate(values)]


def header(claims: dict[int, Table], **rest: Any) -> Table:
    """`run.json` of a claims run."""
    return {
        "schema": 1, "run_id": RUN_ID, "kind": "claims", "status": "finished", "mode": "native", "seed": 7,
        "started": "2026-11-27T01:00:00+00:00", "command": "bench claims",
        "environment": {"host": "testhost", "cpu_model": "Some CPU", "cpus": 2, "memory_bytes": 8 * 1024**3, "virtualised": True},
        "placement": {"server": [0], "load": [1], "database": [1]}, "hashes": {}, "notes": [],
        "claims": {str(number): table for number, table in claims.items()}, "not_run": {}, "reads": {}, **rest,
    }  # fmt: skip


def write(folder: Path, head: Table, records: Sequence[Table], *, extra: Sequence[str] = ()) -> Path:
    """Store the run as `bench claims` does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(head), "utf-8")
    lines = [*(json.dumps({**one, "run_id": head.get("run_id")}) for one in records), *extra]
    (folder / "claims.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    (folder / "trials.jsonl").touch()
    return folder


def requests(path: Path, intended_s: Any, latency_s: Any, lost: Any, *, target: str = "probe") -> None:
    """A parquet record of requests, as the engine writes it."""
    import pyarrow as pa
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    intended, count = np.asarray(intended_s, float), len(intended_s)
    errors = pa.array([None if not gone else "reset" for gone in lost], pa.string()).dictionary_encode()
    table = pa.table({
        "target": pa.array([target] * count).dictionary_encode(), "intended_s": intended, "start_s": intended,
        "first_byte_s": intended + latency_s, "end_s": intended + latency_s, "status": np.full(count, 200, np.int16),
        "bytes": np.full(count, 13), "error": errors, "phase": pa.array(["measure"] * count).dictionary_encode(),
    })  # fmt: skip
    parquet.write_table(table, path)


def burnt(path: Path, *, share: float, seed: int, begin_s: float = 1.0, burn_s: float = 2.0) -> list[Table]:
    """Probes at 100/s of which `share` wait until a burn has ended. Returns the burn's events."""
    rng = np.random.default_rng(seed)
    intended = np.arange(0, 5, 0.01)
    inside = (intended >= begin_s) & (intended < begin_s + burn_s) & (rng.random(len(intended)) < share)
    latency = np.where(inside, begin_s + burn_s - intended, 0) + rng.lognormal(-6, 0.3, len(intended))
    requests(path, intended, latency, np.zeros(len(intended), bool))
    return [{"name": "burn-begin", "at_s": begin_s}, {"name": "burn-end", "at_s": begin_s + burn_s}]


def crashed(path: Path, *, gone_s: float, seed: int, fault_s: float = 2.0) -> list[Table]:
    """Requests at 200/s that fail for `gone_s` after a fault. Returns its event."""
    rng = np.random.default_rng(seed)
    intended = np.arange(0, 7, 0.005)
    lost = (intended >= fault_s - 0.02) & (intended < fault_s + gone_s) if gone_s else np.zeros(len(intended), bool)
    requests(path, intended, rng.lognormal(-5, 0.3, len(intended)), lost, target="load")
    return [{"name": "fault", "at_s": fault_s}]


def everything(folder: Path, *, seed: int = 1) -> Path:
    """A run in which each verdict occurs, with every kind of picture, a failed arm, an invalid control, and hostile text."""
    rng = random.Random(seed)

    def near(value: float, spread: float = 0.01) -> list[float]:
        return [min(1.0, max(0.0, rng.gauss(value, spread))) for _ in range(6)]

    records: list[Table] = []
    burns = [arm("one-loop"), arm("two-loops", "tornado/multi/nginx"), arm("thread-executor")]
    for name, share in (("one-loop", 0.98), ("two-loops", 0.5), ("thread-executor", 0.0)):
        for n in range(6):
            path = f"requests/burn-{name}-{n}.parquet"
            events = burnt(folder / path, share=share, seed=100 * n + len(name))
            value = share if share in (0.0,) else near(share)[0]
            metrics = {"delayed_share": value, "delayed_share_of": 200, "largest_ms": 2000 * share + 5}
            records.append(record(14, name, n, metrics, events=events, requests=path))
    crashes = [arm("one-loop"), arm("sync", "flask/gunicorn-sync/direct"), arm("exception")]
    for name, gone in (("one-loop", 9.0), ("sync", 0.03), ("exception", 0.0)):
        for n in range(6):
            path = f"requests/crash-{name}-{n}.parquet"
            events = crashed(folder / path, gone_s=gone, seed=n)
            records.append(
                record(
                    15, name, n, {"lost_share": min(1.0, gone / 5), "lost_share_of": 20}, events=events, requests=path
                )
            )
    slow = [
        arm("sync-direct", "flask/gunicorn-sync/direct"), arm("sync-behind-nginx", "flask/gunicorn-sync/nginx"),
        arm("unbuffered", "flask/gunicorn-sync/nginx-unbuffered"), arm("loop", "tornado/single/direct"),
    ]  # fmt: skip
    for one in slow:
        for n in range(6):
            metrics = {}
            for level in (0, 3, 4, 16, 64):
                bad = one["name"] in ("sync-direct", "unbuffered") and level >= 4
                metrics |= {
                    f"probe_failed_share_at_{level}": rng.uniform(0.97, 1) if bad else 0.0, f"probe_failed_share_at_{level}_of": 100,
                    f"probe_p99_ms_at_{level}": 1500.0 if bad else rng.uniform(4, 9) * (1 + level / 64),
                }  # fmt: skip
            records.append(record(6, one["name"], n, metrics, stack=one["stack"]))
    swept = [
        arm("sync-1", "flask/gunicorn-sync/direct", slots=1), arm("sync-4", "flask/gunicorn-sync/direct", slots=4),
        arm("threads-2x8", "flask/gunicorn-gthread/direct", slots=16),
    ]  # fmt: skip
    for one in swept:
        slots = one["parameters"]["slots"]
        for n in range(6):
            rates = {f"rps_at_{c}": min(c, slots) / 0.2 * rng.uniform(0.94, 1.0) for c in (1, 4, 16, 64)}
            records.append(
                record(
                    2,
                    one["name"],
                    n,
                    {**rates, "plateau_per_prediction": rng.uniform(0.95, 1.0)},
                    stack=one["stack"],
                    parameters={"wait_ms": 200, "slots": slots},
                )
            )
    pair = [
        arm("with", "django/gunicorn-sync/nginx"),
        arm("without", "django/gunicorn-sync/direct"),
        arm("copy", "django/gunicorn-sync/direct"),
    ]
    for name, rate in (("with", 990.0), ("without", 1000.0), ("copy", 1000.0)):
        records += several(9, name, "json_rps", [rate * rng.lognormvariate(0, 0.004) for _ in range(6)])
        records += several(10, name, "json_rps", [rate * rng.lognormvariate(0, 0.06) for _ in range(6)])
        records += several(
            11,
            name,
            "json_rps",
            [rate * (0.3 if name == "with" else 1) * rng.lognormvariate(0, 0.02) for _ in range(6)],
        )
        records += several(16, name, "json_rps", [rate, rate * 1.02])
    for n in range(6):
        records += [
            record(
                12,
                "with",
                n,
                {},
                status="failed",
                reason="worker exited 70 <script>alert(1)</script> & more",
                log_tail="\x1b[31mboom\x1b[0m <b>",
            ),
            record(12, "without", n, {"json_rps": 1000.0 + n}),
            record(12, "copy", n, {"json_rps": 1000.0 - n}),
            record(13, "with", n, {"lost_share": 0.0, "lost_share_of": 40}),
            record(13, "without", n, {"lost_share": 0.0, "lost_share_of": 40}),
            record(13, "copy", n, {"lost_share": 0.3, "lost_share_of": 40}),
        ]
    ratio = check("cost", "json_rps", "with", ">= 0.9", "< 0.8", against="without", measure="ratio")
    alike = control("copies-alike", "json_rps", "copy", ">= 0.95, <= 1.05", against="without", measure="ratio")
    claims = {
        2: claim(2, swept, [
            check(f"plateau-of-{one['name']}", "plateau_per_prediction", one["name"], "<= 1.2", "> 1.2") for one in swept
        ], [control("alone", "plateau_per_prediction", "sync-1", "<= 1.2")], parameters={"wait_ms": 200.0}, experiment="slots"),
        6: claim(6, slow, [
            check("sync-direct-dies", "probe_failed_share_at_4", "sync-direct", ">= 0.5", "< 0.1"),
            check("nginx-shields", "probe_failed_share_at_64", "sync-behind-nginx", "<= 0.05", "> 0.2"),
        ], [control("buffering-off", "probe_failed_share_at_16", "unbuffered", ">= 0.5")], experiment="crowd"),
        9: claim(9, pair, [ratio], [alike], quote="", quote_en="", experiment="capacity"),
        10: claim(10, pair, [check("faster", "json_rps", "with", ">= 1.03", "< 1.03", against="without", measure="ratio")], [alike]),
        11: claim(11, pair, [ratio], [alike]),
        12: claim(12, pair, [ratio], [alike]),
        13: claim(13, pair, [check("none-lost", "lost_share", "with", "<= 0.1", "> 0.2")],
                  [control("nothing-lost-in-the-copy", "lost_share", "copy", "<= 0.05")]),
        14: claim(14, burns, [
            check("one-loop-stops", "delayed_share", "one-loop", ">= 0.9", "< 0.5"),
            check("two-loops-stop-half", "delayed_share", "two-loops", ">= 0.9", "< 0.7"),
        ], [control("executor-keeps-answering", "delayed_share", "thread-executor", "<= 0.05")]),
        15: claim(15, crashes, [
            check("one-loop-loses-all", "lost_share", "one-loop", ">= 0.9", "< 0.5"),
            check("sync-loses-itself", "lost_share", "sync", "<= 0.2", "> 0.5"),
        ], [control("exceptions-kill-nothing", "lost_share", "exception", "<= 0.0")], title=both('A <crash> & "all"', "崩溃 <b>")),
        16: claim(16, pair, [ratio], [alike]),
        17: claim(17, pair, [ratio], [alike]),
    }  # fmt: skip
    head = header(
        claims, not_run={"17": "no Node on this machine; install nodejs 18"}, reads={"9": "20261126-000000-aaaa"}
    )
    return write(folder, head, records, extra=["{broken", json.dumps({"claim": 9, "arm": "with"})])


def one(folder: Path, **header_keys: Any) -> Path:
    """A run of one claim, number 3, which it supports."""
    arms = [arm("new"), arm("copy")]
    values = [1.0, 1.01, 0.99, 1.0, 1.02, 0.98]
    checks = [check("faster", "json_rps", "new", ">= 0.9", "< 0.8", against="copy", measure="ratio")]
    table = claim(3, arms, checks, [control("alike", "json_rps", "copy", "> 0.5")])
    records = [record for each in arms for record in several(3, each["name"], "json_rps", values)]
    return write(folder, header({3: table}, **header_keys), records)
