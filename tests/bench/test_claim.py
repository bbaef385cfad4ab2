"""Claim files: what is read, and what each mistake is told as."""

from pathlib import Path

import pytest

from bench import claim
from bench.model import BenchError

TEXT = '{ en = "x", zh = "y" }'
HEAD = f"""number = 7
title = {TEXT}
statement = {TEXT}
source = "the article"
prediction = {TEXT}
mechanism = {TEXT}
changes = {TEXT}
experiment = "slots"
"""
CHECK = """
[[check]]
name = "more"
metric = "plateau_rps"
arm = "one"
against = "two"
measure = "ratio"
supports = ">= 1.5"
refutes = "< 1.1"
"""
CONTROL = """
[[control]]
name = "same"
metric = "plateau_rps"
arm = "one"
expect = ">= 0.9, <= 1.1"
"""
HEADLINE = """
[headline]
check = "more"
"""


def arm(name: str) -> str:
    return f'\n[[arm]]\nname = "{name}"\nlabel = {TEXT}\nstack = "flask/gunicorn-sync/direct"\n'


WHOLE = HEAD + arm("one") + arm("two") + CHECK + CONTROL + HEADLINE


def written(folder: Path, text: str, name: str = "07-a-claim.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BenchError) as caught:
        claim.read(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text


def test_a_claim_reads_with_its_defaults(tmp_path: Path) -> None:
    one = claim.read(written(tmp_path, WHOLE))
    assert (one.number, one.replicates, one.quick, one.server_cpus, list(one.arms())) == (
        7,
        6,
        False,
        1,
        ["one", "two"],
    )
    assert [rule.name for rule in one.rules] == ["more", "same"]
    stored = claim.as_stored(one)
    assert stored["check"][0]["supports"] == ">= 1.5"
    assert stored["traps"] == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (CONTROL, "", "the key 'control' is missing"),
        (CONTROL, CONTROL.replace("expect", "expects"), "unknown key 'control[0].expects'. Did you mean expect"),
        (f"title = {TEXT}", 'title = { en = "x" }', "the key 'title.zh' is missing"),
        ('arm = "one"\nagainst', 'arm = "won"\nagainst', "key 'check.arm': more: no arm 'won'. Did you mean two or one?"),
        ('supports = ">= 1.5"', 'supports = "above 1.5"', "key 'check.supports': more: 'above 1.5' is no region"),
        ('refutes = "< 1.1"', 'refutes = "<= 1.5"', "check 'more': what supports (>= 1.5) also refutes (<= 1.5)"),
        ('refutes = "< 1.1"', 'refutes = "> 2"', "also refutes"),
        ('refutes = "< 1.1"', 'refutes = "outside 1.1..2"', "what supports (>= 1.5) also refutes (outside 1.1..2)"),
        ('refutes = "< 1.1"', 'refutes = "outside 2..1.1"', "2 is not below 1.1; write the lower one first"),
        ('refutes = "< 1.1"', 'refutes = "outside 1.1"', "key 'check.refutes': more: 'outside 1.1' is no region; write outside"),
        ('measure = "ratio"\n', "", "check 'more': `against` belongs to"),
        ('check = "more"', 'check = "mere"', "key 'headline.check': no check 'mere'. Did you mean more?"),
        ('name = "two"', 'name = "one"', "key 'arm.name': 'one' occurs twice"),
        ('name = "two"', 'name = "Two"', "key 'arm.name': 'Two' must be lower-case"),
        ("number = 7", "number = 8", "key 'number': 8 is not the file's"),
        ("number = 7", "number = 7\nreplicates = 0", "keys 'replicates' and 'server_cpus' are 1 or more"),
        ("number = 7", "number = 7\ndatabase_connections = 0", "key 'database_connections' is 1 or more"),
        ("number = 7", "number = 7\nmatrix = true\ndatabase_connections = 32", "key 'matrix': runs over the matrix hold the common cap"),
        ("number = 7", 'number = "7"', "key 'number': expected `int`, got `str`"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_file_and_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in WHOLE
    assert told in refusal(written(tmp_path, WHOLE.replace(old, new, 1)))


def test_a_claim_without_a_rule_or_a_control_is_none(tmp_path: Path) -> None:
    for key, table in (("check", CHECK), ("control", CONTROL)):
        text = WHOLE.replace(table, "").replace("number = 7", f"number = 7\n{key} = []")
        assert f"the key '{key}' is empty" in refusal(written(tmp_path, text))


def test_regions_that_only_touch_have_nothing_in_common(tmp_path: Path) -> None:
    touching = WHOLE.replace('supports = ">= 1.5"', 'supports = "<= 1.2"').replace(
        'refutes = "< 1.1"', 'refutes = "> 1.2"'
    )
    assert claim.read(written(tmp_path, touching)).check[0].refutes == "> 1.2"
    assert claim.region(">= 0.97, <= 1.03") == [[(">=", 0.97), ("<=", 1.03)]]
    assert claim.region("outside -0.5..1.03") == [[("<", -0.5)], [(">", 1.03)]]


def test_shortened_leaves_out_the_arms_that_are_not_for_it_and_what_names_them(tmp_path: Path) -> None:
    third = arm("three") + "quick = false\n" + CHECK.replace("more", "less").replace('"two"', '"three"')
    text = WHOLE.replace(CHECK, third + CHECK).replace("number = 7", "number = 7\nquick = true")
    short = claim.read(written(tmp_path, text)).shortened()
    assert (list(short.arms()), [one.name for one in short.check]) == (["one", "two"], ["more"])
    lost = WHOLE.replace('name = "one"', 'quick = false\nname = "one"').replace(
        "number = 7", "number = 7\nquick = true"
    )
    assert "a check and a control must be left" in refusal(written(tmp_path, lost))


def test_files_are_found_by_number(tmp_path: Path) -> None:
    written(tmp_path, WHOLE)
    written(tmp_path, WHOLE, "12-another.toml")
    assert {number: path.name for number, path in claim.discover(tmp_path).items()} == {
        7: "07-a-claim.toml", 12: "12-another.toml",
    }  # fmt: skip
    written(tmp_path, WHOLE, "12-twice.toml")
    with pytest.raises(BenchError, match="number 12 is 12-another"):
        claim.discover(tmp_path)
    written(tmp_path, WHOLE, "nonsense.toml")
    (tmp_path / "12-twice.toml").unlink()
    with pytest.raises(BenchError, match="NN-NAME"):
        claim.discover(tmp_path)
