"""Claims: one file each under `loadtests/claims/`, with the rule that judges it, written down before its run. Keys: docs/manifests.md."""

import re
from collections.abc import Mapping
from itertools import product
from math import inf
from pathlib import Path
from typing import Any, Literal

import msgspec

from bench import manifest
from bench.catalog import ROOT
from bench.manifest import nearest
from bench.model import BenchError
from bench.stackid import NAME

FOLDER = ROOT / "loadtests" / "claims"
_FILE = re.compile(r"(?P<number>\d\d)-(?P<slug>[a-z0-9-]+)\.toml")
_NUMBER = r"-?\d+(?:\.\d+)?"
_REGION = re.compile(rf"(?P<relation><=|>=|<|>) ?(?P<bound>{_NUMBER})")
_OUTSIDE = re.compile(rf"outside (?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})")

Measure = Literal["value", "ratio", "difference"]
Conditions = list[tuple[str, float]]
"""Relations and bounds, all of which hold."""


class Text(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In both languages of the report."""

    en: str
    zh: str


class Arm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[arm]]`: one stack in one condition. `parameters` are its own, before those of the claim."""

    name: str
    label: Text
    stack: str
    parameters: dict[str, Any] = {}
    quick: bool = True


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One figure of an arm, or how it compares with that of another."""

    name: str
    metric: str
    arm: str
    against: str | None = None
    measure: Measure = "value"
    when: Text | None = None


class Check(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[check]]`: one comparison, with the regions in which its whole interval supports or refutes."""

    supports: str
    refutes: str
    server_cpus: int = 1


class Control(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[control]]`: what must hold, or the experiment does not measure what it says."""

    expect: str


class Headline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[headline]`: the check whose effect stands for the claim."""

    check: str


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One claim file, as written. docs/manifests.md says every key."""

    number: int
    title: Text
    statement: Text
    source: str
    prediction: Text
    mechanism: Text
    changes: Text
    experiment: str
    arm: list[Arm]
    check: list[Check]
    control: list[Control]
    headline: Headline
    quote: str = ""
    quote_en: str = ""
    traps: list[Text] = []
    quick: bool = False
    matrix: bool = False
    server_cpus: int = 1
    database_connections: int | None = None
    """Of each deployment; None: as many as in a run over the matrix."""
    replicates: int = 6
    parameters: dict[str, Any] = {}

    @property
    def rules(self) -> list[Rule]:
        """Checks and controls."""
        return [*self.check, *self.control]

    def arms(self) -> dict[str, Arm]:
        """By name."""
        return {one.name: one for one in self.arm}

    def shortened(self) -> "Claim":
        """As it is tried with `--quick`: without the arms that are too many for it, and what is said of them."""
        arms = [one for one in self.arm if one.quick]
        left = {one.name for one in arms} | {None}
        return msgspec.structs.replace(
            self, arm=arms, check=[one for one in self.check if {one.arm, one.against} <= left],
            control=[one for one in self.control if {one.arm, one.against} <= left],
        )  # fmt: skip


def discover(folder: Path = FOLDER) -> dict[int, Path]:
    """All claim files, by number. Raises BenchError where two have the same, or a name is no claim's."""
    found: dict[int, Path] = {}
    for path in sorted(folder.glob("*.toml")):
        named = _FILE.fullmatch(path.name)
        if not named:
            raise BenchError(f"{path}: a claim's file is named NN-NAME.toml, such as 14-blocked-loop.toml")
        number = int(named["number"])
        if number in found:
            raise BenchError(f"{path}: number {number} is {found[number].name}'s already")
        found[number] = path
    return found


def read(path: Path) -> Claim:
    """The claim in `path`. Raises BenchError, naming file and key, where it is incomplete or does not hang together."""
    claim = manifest.read(path, Claim)
    try:
        _check(claim, path)
    except _Wrong as wrong:
        raise BenchError(f"{path}: {wrong}") from None
    return claim


def region(text: str) -> list[Conditions]:
    """A region such as `>= 1.5` or `>= 0.97, <= 1.03`; of `outside 0.8..1.25` either side, `< 0.8` and `> 1.25`. Raises ValueError."""
    if text.startswith("outside"):
        return _outside(text)
    found = [_REGION.fullmatch(part.strip()) for part in text.split(",")]
    if not all(found):
        raise ValueError(
            f"'{text}' is no region; write one of < <= > >= and a number, such as '>= 1.5', or two: '>= 0.9, <= 1.1', "
            "or 'outside 0.8..1.25'"
        )
    return [[(one["relation"], float(one["bound"])) for one in found if one]]


def _outside(text: str) -> list[Conditions]:
    found = _OUTSIDE.fullmatch(text)
    if not found:
        raise ValueError(f"'{text}' is no region; write outside, a number, two dots and a number: 'outside 0.8..1.25'")
    low, high = float(found["low"]), float(found["high"])
    if low >= high:
        raise ValueError(
            f"'{text}' is no region: {found['low']} is not below {found['high']}; write the lower one first"
        )
    return [[("<", low)], [(">", high)]]


class _Wrong(Exception):
    """What is wrong with a claim, without the file."""


def _check(claim: Claim, path: Path) -> None:
    if claim.number != int(path.name[:2]):
        raise _Wrong(f"key 'number': {claim.number} is not the file's")
    for key, given in (("check", claim.check), ("control", claim.control), ("arm", claim.arm)):
        if not given:
            raise _Wrong(f"the key '{key}' is empty; a claim needs one or more (see docs/manifests.md)")
    for key, names in (
        ("arm", [one.name for one in claim.arm]),
        ("check", [one.name for one in claim.check]),
        ("control", [one.name for one in claim.control]),
    ):
        for name in names:
            if not NAME.fullmatch(name):
                raise _Wrong(f"key '{key}.name': '{name}' must be lower-case letters, digits and single hyphens")
            if names.count(name) > 1:
                raise _Wrong(f"key '{key}.name': '{name}' occurs twice")
    for rule in claim.rules:
        _check_rule(claim, rule)
    if claim.headline.check not in (known := [one.name for one in claim.check]):
        raise _Wrong(f"key 'headline.check': no check '{claim.headline.check}'.{nearest(claim.headline.check, known)}")
    if claim.replicates < 1 or claim.server_cpus < 1:
        raise _Wrong("keys 'replicates' and 'server_cpus' are 1 or more")
    if claim.database_connections is not None and claim.database_connections < 1:
        raise _Wrong("key 'database_connections' is 1 or more")
    if claim.database_connections is not None and claim.matrix:
        raise _Wrong(
            "key 'matrix': runs over the matrix hold the common cap, not 'database_connections' of a claim's own"
        )
    if claim.quick and not (claim.shortened().check and claim.shortened().control):
        raise _Wrong("with `quick` a check and a control must be left of the arms that are not `quick = false`")


def _check_rule(claim: Claim, rule: Rule) -> None:
    kind = "check" if isinstance(rule, Check) else "control"
    for key, arm in (("arm", rule.arm), ("against", rule.against)):
        if arm is not None and arm not in claim.arms():
            raise _Wrong(f"key '{kind}.{key}': {rule.name}: no arm '{arm}'.{nearest(arm, list(claim.arms()))}")
    if (rule.measure == "value") != (rule.against is None):
        raise _Wrong(f"{kind} '{rule.name}': `against` belongs to the measures ratio and difference, and to no other")
    keys = ("supports", "refutes") if isinstance(rule, Check) else ("expect",)
    texts = {key: str(getattr(rule, key)) for key in keys}
    regions = []
    for key, text in texts.items():
        try:
            regions.append(region(text))
        except ValueError as error:
            raise _Wrong(f"key '{kind}.{key}': {rule.name}: {error}") from None
    if len(regions) == 2 and any(_overlap(*both) for both in product(*regions)):
        raise _Wrong(f"check '{rule.name}': what supports ({texts['supports']}) also refutes ({texts['refutes']})")


def _overlap(one: Conditions, other: Conditions) -> bool:
    """Whether a number can lie in both."""
    both = [*one, *other]
    low = max(((bound, relation == ">") for relation, bound in both if relation[0] == ">"), default=(-inf, False))
    high = min(((bound, relation != "<") for relation, bound in both if relation[0] == "<"), default=(inf, True))
    return low[0] < high[0] or (low[0] == high[0] and not low[1] and high[1])


def as_stored(claim: Claim) -> Mapping[str, Any]:
    """The claim as `run.json` keeps it: the rule as it stands when the run begins."""
    found: Mapping[str, Any] = msgspec.to_builtins(claim)
    return found
