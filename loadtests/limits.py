"""What the system allows a process, and an address, to hold open."""

import resource
from pathlib import Path

from loadtests.errors import LoadError

_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def allow_files(needed: int) -> None:
    """Raise the soft limit of open files where it is lower. Raises LoadError where the hard one is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise LoadError(
            f"{needed} open files are needed, the hard limit of this shell is {hard} (RLIMIT_NOFILE, ulimit -Hn); "
            f"raise it: sudo prlimit --pid $$ --nofile={needed}:{needed}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def check_ports(needed: int) -> None:
    """Raises LoadError where one address of this machine has fewer ports than `needed` connections to one address take."""
    try:
        low, high = map(int, _PORTS.read_text().split())
    except (OSError, ValueError):
        return
    if needed > high - low + 1:
        raise LoadError(
            f"{needed} connections to one address need as many local ports, net.ipv4.ip_local_port_range has {high - low + 1}; "
            "widen it: sudo sysctl -w net.ipv4.ip_local_port_range='1024 65535'"
        )
