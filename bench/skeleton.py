"""`bench new app`: a folder under apps/ that passes the contract but for what its author fills in."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.manifest import nearest
from bench.model import BenchError
from bench.stackid import NAME

TEMPLATES = Path(__file__).with_name("skeletons")
INTERFACES = {
    "wsgi": ("application", "gunicorn-sync/nginx"),
    "asgi": ("application", "uvicorn/nginx"),
    "native": ("serve", "single/direct"),
}
"""From interface to the name that is loaded, and the default stack to begin with."""


def app(root: Path, name: str, interface: str) -> Path:
    """Write `apps/NAME` and return it. Raises BenchError for a name or an interface that cannot be, and where there is one already."""
    if interface not in INTERFACES:
        raise BenchError(f"--interface {interface}: unknown.{nearest(interface, list(INTERFACES))}")
    if not NAME.fullmatch(name):
        raise BenchError(f"'{name}': a name is lower-case letters, digits and single hyphens")
    folder = root / "apps" / name
    if folder.exists():
        raise BenchError(f"apps/{name} is there already; choose another name, or remove it")
    target, default = INTERFACES[interface]
    words = {
        "name": name,
        "title": name.replace("-", " ").capitalize(),
        "interface": interface,
        "target": target,
        "default": default,
    }
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    made = {
        "app.toml": "app.toml.j2", "requirements.in": "requirements.in.j2", "answers.py": "answers.py.j2", "app.py": f"{interface}.py.j2",
    }  # fmt: skip
    try:
        folder.mkdir(parents=True)
        for file, template in made.items():
            (folder / file).write_text(jinja.get_template(template).render(words), encoding="utf-8")
        # Nothing is needed yet, so nothing is pinned: it deploys at once.
        (folder / "requirements.txt").write_text("", encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{folder}: cannot be written: {error.strerror}") from None
    return folder
