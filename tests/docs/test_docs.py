"""The tables of the documentation, held to the code: whatever exists is in them, and nothing else."""

import dataclasses
import pkgutil
from typing import Any

import jinja2
import jinja2.meta
import msgspec
import pytest
from markdown_pages import code, page

from analysis.charts import discover
from bench import catalog, claim, experiments, manifest
from bench.contract import ENDPOINTS as CONTRACT
from bench.model import Budget
from bench.plan import PROFILES, plan_stack
from bench.verify import ENDPOINTS
from loadtests import scenario as scenarios
from loadtests.checks import KINDS

FOUND = catalog.load()
STACKS, MANIFESTS, MEASURING = page("docs/stacks.md"), page("docs/manifests.md"), page("docs/measuring.md")

STRUCTS: dict[str, Any] = {
    "app.toml": manifest.AppManifest,
    "app.toml, `[variants.NAME]`": manifest.Variant,
    "server.toml": manifest.ServerManifest,
    "server.toml, `[workers]`": manifest.Workers,
    "server.toml and front.toml, `[[process]]`": manifest.Process,
    "server.toml and front.toml, `[options.NAME]`": manifest.Option,
    "front.toml": manifest.FrontManifest,
    "Claim files": claim.Claim,
    "Claim files, `[[arm]]`": claim.Arm,
    "Claim files, `[[check]]`": claim.Check,
    "Claim files, `[[control]]`": claim.Control,
    "Scenario files": scenarios.Scenario,
    "Scenario files, `[check]`": scenarios.CheckTable,
}


def rows(heading: str, table: int = 0) -> dict[str, list[str]]:
    """A table of docs/stacks.md, by the name in its first column."""
    return {code(row[0])[0]: row[1:] for row in STACKS.tables(heading)[table]}


def spans(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def test_every_application_is_in_its_table() -> None:
    wanted = {
        app.name: [spans(app.interfaces), app.data, spans([app.default]) if app.default else "none"]
        for app in FOUND.apps.values()
    }
    assert {name: cells[:3] for name, cells in rows("Applications").items()} == wanted
    assert all(cells[3] for cells in rows("Applications").values())


def test_every_variant_is_in_its_table() -> None:
    wanted = {f"{app.name}+{one.name}": one.data for app in FOUND.apps.values() for one in app.variants.values()}
    assert {name: cells[0] for name, cells in rows("Applications", 1).items()} == wanted


def test_every_server_is_in_its_table_with_its_worker_rule() -> None:
    wanted = {
        one.name: [spans(one.accepts), *map(spans, ([one.speaks], [one.workers], [one.threads], [one.census]))]
        for one in FOUND.servers.values()
    }
    assert {name: cells[:5] for name, cells in rows("Servers").items()} == wanted
    assert all(cells[5] for cells in rows("Servers").values())


def test_what_was_seen_of_each_server_when_a_worker_was_killed_is_told() -> None:
    of_each = {stack.server.name: stack for stack in FOUND.stacks.values()}
    one = Budget(server_cpus=frozenset({0}), load_cpus=frozenset({1}), database_cpus=frozenset({1}))
    wanted = {name: str(plan_stack(stack, one).processes) for name, stack in of_each.items()}
    seen = rows("When a worker is killed")
    assert {name: cells[0] for name, cells in seen.items()} == wanted
    assert all(all(cells) for cells in seen.values())


def test_every_front_is_in_its_table() -> None:
    wanted = {
        one.name: [spans([one.speaks]), spans(one.transports), "yes" if one.serves_static else "no"]
        for one in FOUND.fronts.values()
    }
    assert {name: cells[:3] for name, cells in rows("Fronts").items()} == wanted


@pytest.mark.parametrize("part", [*FOUND.servers.values(), *FOUND.fronts.values()], ids=lambda part: part.name)
def test_restart_behaviour_and_traps_are_told_as_the_manifest_has_them(part: Any) -> None:
    restart = getattr(part, "restart", None)
    wanted = ([f"Restart: {restart}"] if restart else []) + [f"- {trap}" for trap in part.traps]
    if wanted:
        told = STACKS.section(part.name).splitlines()
        assert [line for line in wanted if line not in told] == []
        assert [line for line in told if line.startswith("- ") and line not in wanted] == []


def test_every_scenario_is_in_its_table_in_the_order_of_running() -> None:
    wanted = [
        (one.name, f"`{scenarios.read(one.name).path}`", "windows" if one.windows else "slices")
        for one in FOUND.scenarios.values()
    ]
    assert [(name, *cells[:2]) for name, cells in rows("Scenarios").items()] == wanted


def test_every_chart_is_in_its_table() -> None:
    told = {code(row[0])[0]: code(row[1]) for row in page("docs/results.md").tables("report")[0]}
    assert told == {one.name: [one.name + ("-<scenario>" if one.each == "scenario" else "")] for one in discover()}


@pytest.mark.parametrize("heading", STRUCTS)
def test_every_key_of_a_manifest_is_documented_with_its_default(heading: str) -> None:
    told = {code(row[0])[0]: row[2].strip("`") for row in MANIFESTS.tables(heading)[0]}
    assert told == defaults(STRUCTS[heading])
    assert all(row[1] and row[3] for row in MANIFESTS.tables(heading)[0])


def defaults(kind: Any) -> dict[str, str]:
    """From key to default, as TOML writes it."""
    if dataclasses.is_dataclass(kind):
        missing: Any = dataclasses.MISSING
        fields = [(one.name, one.default, one.default_factory) for one in dataclasses.fields(kind)]
    else:
        missing = msgspec.NODEFAULT
        fields = [(one.name, one.default, one.default_factory) for one in msgspec.structs.fields(kind)]
    return {name: toml(made() if made is not missing else value, missing) for name, value, made in fields}


def toml(value: Any, missing: Any) -> str:
    if value is missing:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, msgspec.Struct):
        return "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml(one, missing) for one in value)}]"
    return str(value)


def test_the_orchestrator_reads_no_scenario_key_that_the_generator_does_not_know() -> None:
    assert set(manifest.ScenarioManifest.__struct_fields__) <= set(scenarios.Scenario.__dataclass_fields__)


def test_every_kind_of_check_is_documented_with_its_keys() -> None:
    told = {
        code(row[0])[0]: {word for word in code(row[1]) if word != "false"}
        for row in MANIFESTS.tables("Scenario files, `[check]`")[1]
    }
    assert told == {name: set(kind.__dataclass_fields__) for name, kind in KINDS.items()}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", experiments.kinds())
def test_every_kind_of_experiment_is_documented_with_its_parameters(name: str) -> None:
    rows_ = page("docs/claims.md").tables(name)[0]
    assert {code(row[0])[0]: row[1].strip("`") for row in rows_} == defaults(experiments.kinds()[name].Parameters)
    assert all(row[2] for row in rows_)


def test_every_interface_is_documented_with_its_servers_and_targets() -> None:
    told = {code(row[0])[0] for row in MANIFESTS.tables("Interfaces in use")[0]}
    assert told == {interface for one in FOUND.servers.values() for interface in one.accepts}


def test_every_name_in_a_template_is_documented() -> None:
    told = {code(row[0])[0] for row in MANIFESTS.tables("Placeholders")[1]}
    templates = {(one.folder / one.template).resolve() for one in FOUND.fronts.values() if one.template}
    used = [jinja2.meta.find_undeclared_variables(jinja2.Environment().parse(path.read_text())) for path in templates]
    assert set().union(*used) | {"options"} == told


def test_every_profile_is_documented_with_its_numbers() -> None:
    columns = [*map(list, zip(*MEASURING.tables("Profiles")[0], strict=True))]
    keys, told = [code(cell)[0] for cell in columns[0]], columns[1:]
    fields = [one.name for one in dataclasses.fields(PROFILES["quick"]) if one.name not in ("name", "description")]
    assert keys == fields
    assert f"| | {' | '.join(f'`{name}`' for name in PROFILES)} |" in MEASURING.section("Profiles")
    assert told == [[shown(getattr(one, key)) for key in keys] for one in PROFILES.values()]


def shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "none" if value is None else str(value)


@pytest.mark.parametrize(
    "row",
    [row for one in (MEASURING, page("docs/statistics.md")) for row in one.tables("Numbers in force")[0]],
    ids=lambda row: row[0],
)
def test_numbers_in_the_text_are_those_of_the_code(row: list[str]) -> None:
    value = pkgutil.resolve_name(code(row[0])[0])
    assert str(value) == row[1]


def test_the_contract_and_its_verifier_have_the_same_endpoints() -> None:
    told = [code(heading)[0].split() for heading in page("apps/CONTRACT.md").headings() if code(heading)]
    named = {(method, target.split("?")[0].removeprefix("/").removesuffix("/NAME")) for method, target in told}
    assert named == {(one.method, one.name) for one in ENDPOINTS}
    assert {name for _, name in named} == CONTRACT
