"""docs/claims/: a page for each claim, made from its file and one stored run, for a reader who wants to understand and not only to know.

    python -m analysis claims-docs RUN        pictures and verdicts.json from the run, then all pages
    python -m analysis claims-docs            all pages again, from the claim files and the verdicts.json that is there

No figure is typed by hand: a test makes the pages again and holds them to what is in the repository.
"""

import io
import json
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis import files, outside, pictures
from analysis.claims import drawing, sentences, text
from analysis.claims.document import document
from analysis.claims.page import ICONS, source
from analysis.claims.records import ClaimsRun, load
from analysis.claims.report import sheet
from analysis.claims.rule import Check, Claim, Control, Question, RuleError, claim
from analysis.claims.verdict import SHARED, Judged, judge
from analysis.frames import mapping, sequence
from analysis.setups import date_words
from analysis.words import plain, say
from bench.model import BenchError

ROOT = Path(__file__).parents[2]
CLAIMS, DOCS = ROOT / "loadtests" / "claims", ROOT / "docs" / "claims"
STORED = "verdicts.json"
IMAGES = "images"
RULE = ("experiment", "database_connections", "parameters", "arm", "check", "control", "headline")
"""What of a claim is kept with its figures: a file that is changed later must not stand beside what it did not give."""
DPI = 110
COLOURS = 64
"""Of a picture's palette: no picture has more that tell something, and the files stay small."""


def write(run: Path | None, *, out: Path = DOCS, claims: Path = CLAIMS) -> list[Path]:
    """Write all pages into `out`, after what they need from `run` if one is given; returns them. Claims that the run has not tried keep
    what is there from an earlier one.

    Raises BenchError where the run, a claim's file or the stored verdicts cannot be read, or the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        if run is not None:
            _store(run, out)
        made = pages(claims, stored(out))
        for name, content in made.items():
            files.replace(out / name, content)
        for old in out.glob("*.md"):
            if old.name not in made:
                old.unlink()
    except OSError as error:
        raise BenchError(f"{error.filename or out}: cannot write the pages, {error.strerror}") from error
    return [out / name for name in made]


def stored(folder: Path) -> Mapping[str, Any]:
    """The verdicts that the pages tell; empty where none were stored yet."""
    path = folder / STORED
    if not path.exists():
        return {}
    try:
        return mapping(json.loads(path.read_text("utf-8")))
    except ValueError as error:
        raise BenchError(f"{path}: is damaged: {error}; write it again with a run") from None


def _store(run_folder: Path, out: Path) -> None:
    run = load(run_folder)
    judged = [one for one in judge(run) if one.status != "not-run"]
    images = out / IMAGES
    images.mkdir(exist_ok=True)
    names: dict[int, list[str]] = {}
    for one in judged:
        for drawn in drawing.pictures(run, one):
            name = f"claim-{one.number:02d}-{drawn.kind}.png"
            files.replace(images / name, _small(pictures.png(drawn.draw(sheet(run, one, drawn.kind)), dpi=DPI)))
            names.setdefault(one.number, []).append(f"{IMAGES}/{name}")
    made = document(run, judged, names)
    rules = {number: {key: table[key] for key in RULE if key in table} for number, table in run.tables.items()}
    of_all = {key: made[key] for key in ("run_id", "started", "mode", "quick", "machine", "server_cpus")}
    told = {entry["id"]: entry for entry in map(mapping, sequence(stored(out).get("claims")))}
    of_each = {one.number: {**of_all, **_shared(run, one)} for one in judged}
    told |= {
        entry["id"]: {**entry, "run": of_each[entry["id"]], "rule": rules.get(entry["id"], {})}
        for entry in made["claims"]
    }
    kept = [told[number] for number in sorted(told)]
    files.remove_pictures(images, {Path(name).name for entry in kept for name in sequence(entry.get("pictures"))})
    files.replace(out / STORED, text.as_json({"claims": kept}))


def _shared(run: ClaimsRun, judged: Judged) -> Mapping[str, Any]:
    """Which CPUs a claim's servers had, where these were not the run's: the generator's as well."""
    shared = any(SHARED in record.flags for record in judged.records)
    return {"server_cpus": run.all_cpus, "shared_cpu": True} if shared else {}


def _small(png: bytes) -> bytes:
    from PIL import Image

    target = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").quantize(COLOURS).save(target, format="PNG", optimize=True)
    return target.getvalue()


def pages(claims: Path, verdicts: Mapping[str, Any]) -> dict[str, str]:
    """Every page by its file's name, `README.md` among them. Raises BenchError where a claim's file cannot be read."""
    told = {entry.get("id"): entry for entry in map(mapping, sequence(verdicts.get("claims")))}
    found: dict[str, str] = {}
    lines: list[str] = []
    for path in sorted(claims.glob("*.toml")):
        try:
            table = tomllib.loads(path.read_text("utf-8"))
            rule = claim(int(table.get("number") or 0), table)
        except (ValueError, RuleError) as error:
            raise BenchError(f"{path}: {error}") from None
        entry = mapping(told.get(rule.number))
        name = f"{path.stem}.md"
        found[name] = _page(rule, table, entry)
        lines.append(
            f"| {rule.number} | [{_cell(rule.title.english)}]({name}) | {_verdict(entry)} | {_cell(_sentence(entry, 'en'))} |"
        )
    return {"README.md": _index(lines, list(told.values())), **found}


def _index(lines: Sequence[str], told: Sequence[Mapping[str, Any]]) -> str:
    runs: dict[str, list[Mapping[str, Any]]] = {}
    for entry in told:
        runs.setdefault(_run(entry), []).append(entry)
    said = []
    for run, of_run in runs.items():
        numbers = ", ".join(str(one["id"]) for one in of_run)
        said.append(run if len(runs) == 1 else f"Claim{'s' * (len(of_run) > 1)} {numbers}: {run}")
    return "\n".join(
        [
            "# The claims, one by one",
            "",
            "What the article says, and what travels with it: the mechanism, the experiment, the rule as it stood when its run began,",
            "and what came of it. [How claims are put to the test](../claims.md) says what verdicts mean.",
            "",
            "\n\n".join(said or [_run({})]),
            "",
            "| No. | Claim | Verdict | What was measured |",
            "|---|---|---|---|",
            *lines,
            "",
            "The pages are made from `loadtests/claims/` and, each, one stored run, whose verdicts are in `verdicts.json`:",
            "",
            "    .venv/bin/python -m analysis claims-docs results/latest-claims    # with what that run has tried",
            "    .venv/bin/python -m analysis claims-docs                          # with what is there",
            "",
        ]
    )


def _run(entry: Mapping[str, Any]) -> str:
    run = mapping(entry.get("run"))
    if not run:
        return "No run is stored here yet: `make claims` makes one."
    quick = ", the quick form" if run.get("quick") else ""
    cpus = run.get("server_cpus")
    generator = ", shared with the load generator" if run.get("shared_cpu") else ""
    servers = f", {cpus} of them for the servers{generator}" if cpus else ""
    when = f"{date_words(run.get('started'))}, {run.get('mode')}{quick}"
    return (
        f"Run {run.get('run_id')}, {when}, on {run.get('machine')}{servers}. "
        "A verdict holds for what was tested there, with those versions."
    )


def _verdict(entry: Mapping[str, Any]) -> str:
    if not entry:
        return "– not run yet"
    kind = entry["verdict"] if entry["status"] == "judged" else entry["status"]
    return f"{ICONS[kind]} {say(f'claims.verdicts.{kind}').plain('en')}"


def _sentence(entry: Mapping[str, Any], language: str) -> str:
    return outside.line(mapping(entry.get("sentence")).get(language) or "")


def _then(number: int, entry: Mapping[str, Any]) -> Claim | None:
    """The rule that the figures of `entry` were made by; None where a run that is older did not leave it."""
    try:
        return claim(number, kept) if (kept := mapping(entry.get("rule"))) else None
    except RuleError:
        return None


def _page(rule: Claim, table: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    then = _then(rule.number, entry)
    parts = [
        f"# {rule.number}. {rule.title.english}",
        "",
        *_quote(rule),
        "",
        f"**{_verdict(entry)}.** {_text(_sentence(entry, 'en'))}".rstrip(),
        "",
        _run(entry),
        "",
        *_section("What exactly is tested", rule.texts["statement"].english),
        *_section("Predicted before", rule.texts["prediction"].english),
        *_section("Why", rule.texts["mechanism"].english),
        *_experiment(
            then or rule,
            mapping(entry.get("rule")) if then else table,
            _since(rule, then, table, entry),
            str(entry.get("reads") or ""),
        ),
        *_rule(then or rule, entry),
        *_pictures(rule, entry),
        *_section("What would change it", rule.texts["changes"].english),
        *_list("Traps", [trap.english for trap in rule.traps]),
        *_chinese(rule, entry),
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _quote(rule: Claim) -> list[str]:
    said = plain(source(rule.source), "en")
    said = f"{_text(said[:1].upper() + said[1:])}."
    if not rule.quote:
        return [f"*{said}*"]
    what = say("claims.quoted", statement=say("claims.statement")).plain("en")
    return [f"> {_text(rule.quote)}", ">", f"> {_text(rule.quote_en)}", "", f"*{said} {_text(what)}*"]


def _section(title: str, words: str) -> list[str]:
    return [f"## {title}", "", _text(words), ""]


def _list(title: str, items: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *(f"- {_text(item)}" for item in items), ""] if items else []


def _since(rule: Claim, then: Claim | None, table: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """What the reader has to know of the experiment and the rule on a page, where its figures are of others than the file has now."""
    if not entry.get("run"):
        return ""
    if then is None:
        changed = "The rule has been changed since that run: what came of it is what the rule of that time said. "
        return (
            f"{changed if _changed(table, entry) else ''}The run is older than the record of its parameters: those below are the file's, "
            "and its own may have been others."
        )
    quick = mapping(entry.get("run")).get("quick")
    names = {arm.name for arm in then.arms} if quick else {arm.name for arm in rule.arms}
    now = _compared(rule, table, names)
    return (
        ""
        if now == _compared(then, mapping(entry.get("rule")), {arm.name for arm in then.arms})
        else "The claim's file has been changed since that run: experiment and rule stand here as they were for these figures."
    )


def _compared(rule: Claim, table: Mapping[str, Any], names: Collection[str]) -> object:
    """What decides of a claim, in numbers and names and not in words; of the arms that are called so."""
    return (
        rule.experiment,
        table.get("database_connections"),
        rule.parameters,
        {arm.name: (arm.stack, arm.parameters) for arm in rule.arms if arm.name in names},
        {
            one.name: (one.metric, one.arm, one.against, one.measure, *_regions(one))
            for one in (*rule.checks, *rule.controls)
            if {one.arm, one.against or one.arm} <= set(names)
        },
    )


def _regions(question: Question) -> tuple[object, ...]:
    if isinstance(question, Check):
        return question.supports, question.refutes, question.server_cpus
    return (question.expect,) if isinstance(question, Control) else ()


def _experiment(rule: Claim, table: Mapping[str, Any], since: str, reads: str) -> list[str]:
    if not rule.arms:
        return ["## Experiment", "", "It has none yet.", ""]
    shared = ", ".join(f"`{key} = {_value(value)}`" for key, value in rule.parameters.items())
    connections = table.get("database_connections")
    made = (
        f"The figures are those of run `{reads}` over the matrix, with that run's lengths."
        if reads
        else "Every arm is deployed afresh for each replicate."
    )
    held = f"Each deployment may hold {connections} database connections. " if connections else ""
    lines = [
        "## Experiment",
        "",
        *([since, ""] if since else []),
        f"Kind: [{rule.experiment}](../claims.md#{rule.experiment}). {f'For all arms: {shared}. ' if shared else ''}{held}{made}",
        "",
        "| Arm | Stack | Parameters of its own |",
        "|---|---|---|",
    ]
    for arm in rule.arms:
        own = ", ".join(f"`{key} = {_value(value)}`" for key, value in arm.parameters.items())
        lines.append(f"| {_cell(arm.label.english)} | `{arm.stack}` | {own} |")
    return [*lines, ""]


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("|", "\\|")


def _rule(rule: Claim, entry: Mapping[str, Any]) -> list[str]:
    checks = {one.get("name"): one for one in map(mapping, sequence(entry.get("checks")))}
    controls = {one.get("name"): one for one in map(mapping, sequence(entry.get("controls")))}
    if not rule.checks:
        return []
    lines = ["## The rule, and what came of it", ""]
    lines += ["| Check | Measured | Supports if | Refutes if | Effect | n | Answer |", "|---|---|---|---|---|---|---|"]
    for check in rule.checks:
        one = mapping(checks.get(check.name))
        lines.append(
            f"| {_cell(check.when.english)} | {_metric(rule, check)} | {sentences.region(check, check.supports)} | "
            f"{sentences.region(check, check.refutes)} | {_cell(mapping(one.get('figure')).get('en') or '–')} | {one.get('n', '–')} | "
            f"{say('claims.answers.' + str(one.get('answer'))).plain('en') if one else '–'} |"
        )
    lines += [
        "",
        "Controls, which must hold, or nothing is decided:",
        "",
        "| Control | Measured | Must be | Effect | n | Came out |",
        "|---|---|---|---|---|---|",
    ]
    for control in rule.controls:
        one = mapping(controls.get(control.name))
        kept = {None: "unknown", True: "ok", False: "broken"}[one.get("ok")]
        lines.append(
            f"| {_cell(control.when.english)} | {_metric(rule, control)} | {sentences.region(control, control.expect)} | "
            f"{_cell(mapping(one.get('figure')).get('en') or '–')} | {one.get('n', '–')} | "
            f"{say(f'claims.answers.{kept}').plain('en') if one else '–'} |"
        )
    return [*lines, ""]


def _metric(rule: Claim, question: Question) -> str:
    """What is measured, and of whom."""
    arms = [arm.label.english for name in (question.arm, question.against) if (arm := rule.arm(name))]
    return _cell(f"{plain(sentences.metric(question.metric), 'en')}: {' against '.join(arms)}")


def _changed(table: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether a check or control that a run judged, which left no rule, reads otherwise in the file now."""
    now = {str(one.get("name")): one for key in ("check", "control") for one in map(mapping, sequence(table.get(key)))}
    then = [*map(mapping, sequence(entry.get("checks"))), *map(mapping, sequence(entry.get("controls")))]
    keys = ("metric", "arm", "supports", "refutes", "expect")
    return any(
        one.get(key) is not None and outside.line(mapping(now.get(str(one.get("name")))).get(key) or "") != one.get(key)
        for one in then
        for key in keys
    )


def _pictures(rule: Claim, entry: Mapping[str, Any]) -> list[str]:
    lines = []
    for name in sequence(entry.get("pictures")):
        kind = Path(str(name)).stem.split("-", 2)[-1]
        title = say(f"claims.chart.{kind}").plain("en")
        lines += [f"![{title}]({name})", "", _text(say(f"claims.chart.{kind}_note").plain("en")), ""]
    return lines


def _chinese(rule: Claim, entry: Mapping[str, Any]) -> list[str]:
    zh = {key: spoken.chinese for key, spoken in rule.texts.items()}
    kind = "" if not entry else entry["verdict"] if entry["status"] == "judged" else entry["status"]
    verdict = f"**{say(f'claims.verdicts.{kind}').plain('zh-Hans')}。** {_text(_sentence(entry, 'zh'))}" if kind else ""
    parts = [f"## {rule.number}. {zh['title']}", "", verdict, ""]
    for key in ("statement", "prediction", "mechanism", "changes"):
        parts += [f"**{say(f'claims.{key}').plain('zh-Hans')}。** {_text(zh[key])}", ""]
    if rule.traps:
        parts += [
            f"**{say('claims.traps').plain('zh-Hans')}。**",
            "",
            *(f"- {_text(trap.chinese)}" for trap in rule.traps),
        ]
    return parts


def _text(words: str) -> str:
    """Words as Markdown: nothing in them is markup."""
    return re.sub(r"([\\`*_<>\[\]])", r"\\\1", words)


def _cell(words: str) -> str:
    return _text(words).replace("|", "\\|")
