"""The examples of docs/adding.md and docs/adding-a-framework.md, put at the paths given and used."""

import re
import runpy
import shutil
from pathlib import Path

import pandas as pd
import pytest
from markdown_pages import ROOT, page

from analysis import pictures
from analysis.charts import FRAME_COLUMNS, Sheet
from analysis.stats import PARTS
from bench import catalog, environments
from bench.contract import ENDPOINTS
from bench.model import Budget
from bench.plan import plan_stack
from bench.render import Site, render
from loadtests import scenario

FILES = page("docs/adding.md").files() | page("docs/adding-a-framework.md").files()
BUDGET = Budget(server_cpus=frozenset({0, 1}), load_cpus=frozenset({2}), database_cpus=frozenset({3}))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's manifests, and what the page adds to them."""
    folder = tmp_path_factory.mktemp("added")
    for pattern in ("apps/*/app.toml", "deploy/*/*/*.toml", "deploy/*/*/*.j2", "loadtests/scenarios/*.toml"):
        for path in ROOT.glob(pattern):
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_there_is_one_of_each_kind() -> None:
    kinds = ("apps/*/app.toml", "deploy/servers/*/server.toml", "deploy/fronts/*/front.toml")
    kinds += ("loadtests/scenarios/*.toml", "analysis/charts/*.py")
    assert [sum(Path(name).match(kind) for name in FILES) for kind in kinds] == [1] * len(kinds)


@pytest.mark.parametrize(
    "stack", ["falcon/gunicorn-sync/nginx", "flask/cheroot+threads=8/nginx", "tornado/multi/nginx-no-retry"]
)
def test_the_stacks_of_the_page_can_be_rendered(root: Path, stack: str) -> None:
    found = catalog.load(root)
    planned = plan_stack(catalog.resolve(found, stack), BUDGET)
    site = Site(
        host="127.0.0.1", ports=range(8000, 8008), folder=root / "run", app_dir=root, env_dir=root, runners=root,
        static_dir=root, shm=root, tools={"nginx": "/usr/sbin/nginx"}, user=None, database_url=None,
    )  # fmt: skip
    rendered = render(planned, site)
    assert {command.role for command in rendered.commands} == {"app", "front"}
    assert not any("{" in word for command in rendered.commands for word in command.argv)


def test_the_application_has_every_endpoint_or_names_it_as_missing(root: Path) -> None:
    app = catalog.load(root).apps["falcon"]
    routes = set(re.findall(r'"/([a-z-]+)(?:/\{name\})?"(?:,|: )', FILES["apps/falcon/app.py"]))
    assert routes | app.missing == ENDPOINTS
    assert not routes & app.missing
    compile(FILES["apps/falcon/app.py"], "app.py", "exec")


def test_what_is_touched_outside_of_an_applications_folder_is_said_at_the_beginning() -> None:
    walk = page("docs/adding-a-framework.md")
    opening, last = walk.text.partition("\n## ")[0], walk.section("4. Every server, and figures")
    assert "(#4-every-server-and-figures)" in opening
    told = {"README.md", "stacks.md", "docker-compose.yml"}  # where the tests look for every application
    assert {name for name in told if name in last} == told


def test_packages_are_named_where_the_installer_looks_for_them(root: Path) -> None:
    found = catalog.load(root)
    for name in ("apps/falcon", "deploy/servers/cheroot"):
        (root / name / "requirements.txt").write_text(FILES[f"{name}/requirements.in"], encoding="utf-8")
    locks = environments.locks_of(found, found.apps["falcon"])
    assert {lock.parent.name for lock in locks} == {"falcon", "cheroot"}


def test_the_scenario_can_be_sent(root: Path) -> None:
    request = scenario.resolve("queries-100", folder=root / "loadtests/scenarios")
    assert request.path == "/queries?queries=100"
    assert catalog.load(root).scenarios["queries-100"].windows


def test_the_chart_draws_what_it_is_given(root: Path) -> None:
    (path,) = (name for name in FILES if name.startswith("analysis/charts/"))
    chart = runpy.run_path(str(root / path))["CHART"]
    assert chart.metrics[0] in PARTS["cpu_ms"]
    common = {"colour": "flask", "model": "sync", "flags": (), "low": float("nan"), "high": float("nan"), "n": 1}
    rows = [
        {**common, "stack": "a/b/c", "status": "measured", "reason": "", "metric": chart.metrics[0], "kind": "estimate",
         "value": 0.25},
        {**common, "stack": "d/e/f", "status": "failed", "reason": "it died"},
    ]  # fmt: skip
    drawn = pictures.svg(chart.draw(pd.DataFrame(rows, columns=list(FRAME_COLUMNS)), Sheet(width=720, title="A title")))
    words = drawn.decode()
    assert "0.25 ms" in words
    assert "it died" in words
