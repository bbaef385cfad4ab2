"""Good and bad machines as values; one test looks at the real one."""

import dataclasses
import sys
from pathlib import Path

import pytest

from bench.doctor import Check, Facts, Part, checks, facts, gather, render, verdict
from bench.machine import Topology

GIB = 1024**3
FIT = Facts(
    platform="Linux",
    topology=Topology(cores=((0,), (1,), (2,), (3,))),
    steal=0.0,
    load1=0.1,
    files_soft=1_048_576,
    files_hard=1_048_576,
    ports=(32768, 60999),
    somaxconn=4096,
    governor="performance",
    turbo=False,
    memory_available_bytes=8 * GIB,
    results=Path("results"),
    disk_free_bytes=50 * GIB,
    python=(3, 13, 0),
    nginx=Part(found="nginx/1.28.0 (machine)"),
    postgresql=Part(found="18.4 (embedded)"),
    docker_client=Part(found="Docker version 28.2.2"),
    docker_daemon=Part(found="28.2.2"),
    docker_compose=Part(found="2.26.1"),
)
ABSENT = Part(problem="not installed")
BAD_DAYS: list[tuple[dict[str, object], str, str, str]] = [
    ({"topology": Topology(cores=((0,),))}, "CPUs", "warn", "3 CPUs or more: server, load generator and database"),
    ({"topology": Topology(cores=((0,), (1,)))}, "CPUs", "warn", "the database shares"),
    ({"topology": Topology(cores=((0, 2), (1, 3)))}, "CPUs", "warn", "3 cores or more"),
    ({"topology": Topology(cores=((0,), (1,), (2,)), quota_cpus=2.5)}, "CPU quota", "warn", "to 3 CPUs"),
    ({"topology": Topology(cores=((0,), (1,), (2,)), quota_cpus=0.5)}, "CPU quota", "bad", "throttling"),
    (
        {"topology": Topology(cores=((0,), (1,), (2,)), can_pin=False), "platform": "Darwin"},
        "pinning",
        "warn",
        "measure on Linux",
    ),
    ({"steal": 0.05}, "steal", "warn", "dedicated CPUs"),
    ({"steal": 0.3}, "steal", "bad", "dedicated CPUs"),
    ({"load1": 1.5}, "load average", "warn", "stop other programs"),
    ({"files_soft": 1024}, "open files", "warn", "ulimit -n 20000"),
    ({"files_soft": 1024, "files_hard": 8192}, "open files", "warn", "ulimit -n 8192"),
    ({"files_soft": 8192}, "open files", "warn", "10,000 connections need 20000"),
    ({"files_soft": 1024, "files_hard": 1024}, "open files", "bad", "limits.conf"),
    ({"ports": (50000, 60999)}, "ephemeral ports", "warn", "ip_local_port_range"),
    ({"ports": (60000, 60999)}, "ephemeral ports", "bad", "ip_local_port_range"),
    ({"somaxconn": 128}, "somaxconn", "warn", "sysctl -w net.core.somaxconn=4096"),
    ({"governor": "powersave"}, "governor", "warn", "cpupower frequency-set -g performance"),
    ({"turbo": True}, "turbo", "warn", "no_turbo"),
    ({"memory_available_bytes": GIB}, "memory", "warn", "stop other programs"),
    ({"memory_available_bytes": GIB // 4}, "memory", "bad", "stop other programs"),
    ({"disk_free_bytes": GIB}, "disk for results", "warn", "delete old runs"),
    ({"disk_free_bytes": GIB // 10}, "disk for results", "bad", "delete old runs"),
    ({"python": (3, 9, 2)}, "Python", "bad", "make setup"),
    ({"nginx": Part(problem="no nginx: run `make setup`")}, "nginx", "bad", "run `make setup`"),
    ({"postgresql": Part(problem="nothing answers there; start it")}, "PostgreSQL", "bad", "start it"),
    ({"docker_client": ABSENT, "docker_daemon": ABSENT}, "Docker (optional)", "warn", "install Docker Engine"),
    ({"docker_daemon": Part(problem="permission denied")}, "Docker (optional)", "warn", "permission denied"),
    ({"docker_compose": Part(problem="unknown command")}, "Docker (optional)", "warn", "docker-compose, version 2"),
    ({"docker_compose": Part(found="1.29.2")}, "Docker (optional)", "warn", "docker-compose, version 2"),
]


def named(results: tuple[Check, ...]) -> dict[str, Check]:
    return {check.name: check for check in results}


def test_fit_machine_has_nothing_to_mend() -> None:
    results = checks(FIT)
    assert {check.status for check in results} == {"ok"}
    assert [check.remedy for check in results] == [None] * len(results)
    assert verdict(results) == 0
    assert render(results).endswith("This machine is fit to measure on.")


@pytest.mark.parametrize(("change", "name", "status", "remedy"), BAD_DAYS)
def test_each_trouble_is_found_alone_and_has_its_remedy(
    change: dict[str, object], name: str, status: str, remedy: str
) -> None:
    results = checks(dataclasses.replace(FIT, **change))  # type: ignore[arg-type]
    troubled = [check for check in results if check.status != "ok"]
    assert [(check.name, check.status) for check in troubled] == [(name, status)]
    assert remedy in (troubled[0].remedy or "")
    assert verdict(results) == (1 if status == "bad" else 0)
    assert name in render(results).rpartition("\n\n")[2].replace("\n", " ")


def test_every_check_has_a_bad_day_here() -> None:
    assert {name for _, name, _, _ in BAD_DAYS} == set(named(checks(FIT)))


def test_what_is_not_visible_is_no_trouble() -> None:
    blind = dataclasses.replace(FIT, steal=None, ports=None, somaxconn=None, governor=None, turbo=None)
    assert verdict(checks(blind)) == 0
    assert {named(checks(blind))[name].value for name in ("steal", "ephemeral ports", "governor")} == {
        "not visible here"
    }


def test_no_limit_of_files_is_no_number() -> None:
    boundless = dataclasses.replace(FIT, files_soft=sys.maxsize, files_hard=sys.maxsize)
    assert named(checks(boundless))["open files"].value == "unlimited (hard limit unlimited)"


def test_text_fits_the_terminal() -> None:
    worst = dataclasses.replace(FIT, nginx=Part(problem="no nginx " * 30), steal=0.5, topology=Topology(cores=((0,),)))
    for width in (80, 120):
        lines = render(checks(worst), width=width).splitlines()
        assert max(map(len, lines)) <= width
    assert sum("->" in line for line in lines) == 3


def test_steal_is_a_share_of_all_time() -> None:
    before = {"user": 10.0, "idle": 80.0, "steal": 5.0, "guest": 3.0}
    after = {"user": 12.0, "idle": 86.0, "steal": 7.0, "guest": 90.0}
    assert facts.steal_share(before, after) == pytest.approx(0.2)
    assert facts.steal_share(before, before) is None
    assert facts.steal_share({"user": 1.0}, {"user": 2.0}) is None


def test_real_machine_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "STEAL_WINDOW_S", 0.05)
    found = gather(tmp_path / "not" / "yet", {"PATH": str(tmp_path)})
    assert not (tmp_path / "not").exists()
    assert found.postgresql.found is not None
    assert found.postgresql.found.endswith("(embedded)")
    assert found.nginx.found is not None
    assert found.disk_free_bytes > 0
    assert found.python == sys.version_info[:3]
    assert len(checks(found)) == len(checks(FIT))


def test_unreachable_database_url_is_the_users_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "STEAL_WINDOW_S", 0.0)
    found = gather(tmp_path, {"DATABASE_URL": f"postgresql://ann:secret@/app?host={tmp_path}"})
    check = named(checks(found))["PostgreSQL"]
    assert check.status == "bad"
    assert "correct DATABASE_URL" in (check.remedy or "")
    assert "secret" not in render(checks(found))
