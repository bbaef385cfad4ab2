"""What `bench new app` writes is an application: it stands in the catalogue, loads, and says what it lacks."""

import subprocess
import sys
from pathlib import Path

import pytest
from made_stacks import Tree

from bench import skeleton
from bench.model import BenchError
from bench.verify.endpoints import ENDPOINTS


@pytest.mark.services
@pytest.mark.parametrize("interface", skeleton.INTERFACES)
def test_a_new_application_is_in_the_catalogue_at_once(tree: Tree, interface: str) -> None:
    server, front = skeleton.INTERFACES[interface][1].split("/")
    tree.server(server, accepts=[interface])
    tree.front(front)
    folder = skeleton.app(tree.root, "sun-flower", interface)
    found = tree.load()
    stack = found.stacks[f"sun-flower/{server}/{front}"]
    assert (stack.interface, stack.app.title, "default" in stack.tags) == (interface, "Sun flower", True)
    assert stack.app.missing < {one.name for one in ENDPOINTS}
    done = subprocess.run([sys.executable, "-c", "import app"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "interface", "said"),
    [
        ("Sunflower", "wsgi", "'Sunflower': a name is lower-case letters, digits and single hyphens"),
        ("../x", "wsgi", "'../x': a name is lower-case"),
        ("x", "wgsi", "--interface wgsi: unknown. Did you mean wsgi or asgi?"),
        ("there", "wsgi", "apps/there is there already; choose another name, or remove it"),
    ],
)
def test_what_cannot_be_made(tmp_path: Path, name: str, interface: str, said: str) -> None:
    (tmp_path / "apps" / "there").mkdir(parents=True)
    with pytest.raises(BenchError) as refused:
        skeleton.app(tmp_path, name, interface)
    assert said in str(refused.value)
    assert list((tmp_path / "apps").iterdir()) == [tmp_path / "apps" / "there"]
