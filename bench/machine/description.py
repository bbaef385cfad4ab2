"""What is recorded of the machine with every run: enough to judge the figures by, and nothing personal."""

import contextlib
import hashlib
import platform
import re
import sys
import uuid
from pathlib import Path

import psutil

from bench.machine.topology import topology

_VIRTUAL = re.compile(r"qemu|kvm|vmware|virtual|amazon|google|xen|bochs|bhyve|parallels|hvm", re.IGNORECASE)
_CONTAINER = re.compile(r"docker|containerd|kubepods|libpod|lxc")

type Value = str | int | float | bool | None


def describe(root: Path = Path("/")) -> dict[str, Value]:
    """The machine, ready for JSON; what cannot be known is None. `root` holds `proc` and `sys`.

    `host` is a short hash, the same in every run on one machine, that gives away neither its name nor its machine id.
    """
    cpus = topology(root)
    return {
        "host": machine_hash(root),
        "os": operating_system(),
        "kernel": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cpu_model": cpu_model(root),
        "cpus": len(cpus.cpus),
        "cpus_online": psutil.cpu_count(),
        "cores": len(cpus.cores) if cpus.can_pin else psutil.cpu_count(logical=False),
        "quota_cpus": cpus.quota_cpus,
        "governor": governor(root),
        "turbo": turbo(root),
        "memory_bytes": psutil.virtual_memory().total,
        "virtualised": virtualised(root),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "can_pin": cpus.can_pin,
    }


def machine_hash(root: Path = Path("/")) -> str:
    """8 hex digits of a hash of our name and the machine id, as machine-id(5) asks, or else a MAC address."""
    identity = _text(root / "etc/machine-id") or f"{uuid.getnode():012x}"
    return hashlib.sha256(f"forkloop {identity}".encode()).hexdigest()[:8]


def operating_system() -> str:
    """The distribution and its version, such as `Debian GNU/Linux 12 (bookworm)` or `macOS 15.1`."""
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    with contextlib.suppress(OSError):
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    return platform.system()


def cpu_model(root: Path = Path("/")) -> str | None:
    """The processor's name as the kernel gives it; None on kernels that give none, as on many ARM machines."""
    for line in (_text(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() in ("model name", "hardware", "cpu model"):
            return value.strip()
    return platform.processor() or None


def governor(root: Path = Path("/")) -> str | None:
    """The CPUs' frequency governor, several joined by commas; None where none is visible, as in most VMs."""
    policies = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    found = {text for path in policies if (text := _text(path))}
    return ",".join(sorted(found)) or None


def turbo(root: Path = Path("/")) -> bool | None:
    """Whether the CPUs may exceed their nominal frequency; None where that is not visible."""
    disabled = _text(root / "sys/devices/system/cpu/intel_pstate/no_turbo")
    if disabled is not None:
        return disabled == "0"
    boost = _text(root / "sys/devices/system/cpu/cpufreq/boost")
    return None if boost is None else boost == "1"


def virtualised(root: Path = Path("/")) -> str | None:
    """`virtual machine`, `container`, `container in a virtual machine`, or None where there is no sign of either."""
    return " in a ".join(_signs(root)) or None


def _signs(root: Path) -> list[str]:
    signs = []
    marked = any((root / mark).exists() for mark in (".dockerenv", "run/.containerenv"))
    if marked or _CONTAINER.search(_text(root / "proc/1/cgroup") or ""):
        signs.append("container")
    product = " ".join(_text(root / "sys/class/dmi/id" / name) or "" for name in ("sys_vendor", "product_name"))
    flags = re.search(r"^flags\s*:.*\bhypervisor\b", _text(root / "proc/cpuinfo") or "", re.MULTILINE)
    if flags or _VIRTUAL.search(product) or _text(root / "sys/hypervisor/type"):
        signs.append("virtual machine")
    return signs


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None
