"""Two load hosts: network namespaces with addresses of their own, each with a worker, and the server in a third.

The second load host's clock is an hour and more ahead, where a time namespace can be made. The namespaces have no way out and are removed
with the test. Addresses are those set aside for such tests (RFC 2544).
"""

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import missing

BENCH = str(Path(sys.executable).parent / "bench")
ROOT = Path(__file__).parents[2]
SERVER, FIRST, SECOND = "198.18.71.1", "198.18.71.2", "198.18.72.2"
PORTS = (8001, 8002)
SERVING = """
import asyncio, json, signal, sys, time
seen, answer = [], b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok"
async def serve(reader, writer):
    port, client = writer.get_extra_info("sockname")[1], writer.get_extra_info("peername")[0]
    try:
        while await reader.readuntil(b"\\r\\n\\r\\n"):
            seen.append((time.perf_counter(), port, client))
            writer.write(answer)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    for port in sys.argv[2:]:
        await asyncio.start_server(serve, sys.argv[1], int(port), backlog=512)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: (print(json.dumps(seen), flush=True), sys.exit()))
    print("up", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


AHEAD_S = 5000


def other_clock() -> list[str]:
    """What runs a command with its clock ahead by `AHEAD_S`; nothing where that cannot be."""
    words = ["unshare", "--time", "--fork", "--kill-child", "--monotonic", str(AHEAD_S)]
    try:
        return words if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0 else []
    except OSError:
        return []


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def within(name: str, *argv: str) -> list[str]:
    return ["ip", "netns", "exec", name, *argv]


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[str, str, str]]:
    """Names of three namespaces: the server's, and those of two load hosts, each with a cable to it."""
    names = tuple(f"forkloop-{os.getpid()}-{part}" for part in ("server", "first", "second"))
    made: list[str] = []
    try:
        for name in names:
            try:
                ip("netns", "add", name)
            except (OSError, subprocess.CalledProcessError) as error:
                why = getattr(error, "stderr", "") or str(error)
                missing(f"no network namespace can be made here: {why.strip()}")
            made.append(name)
            ip("-n", name, "link", "set", "lo", "up")
        for number, name in enumerate(names[1:]):
            near, far = f"198.18.{71 + number}.1", f"198.18.{71 + number}.2"
            try:
                ip(
                    "link",
                    "add",
                    f"load{number}",
                    "netns",
                    names[0],
                    "type",
                    "veth",
                    "peer",
                    "name",
                    "up0",
                    "netns",
                    name,
                )
            except subprocess.CalledProcessError as error:
                missing(f"namespaces cannot be connected here: {error.stderr.strip()}")
            for where, cable, address in ((names[0], f"load{number}", near), (name, "up0", far)):
                ip("-n", where, "address", "add", f"{address}/30", "dev", cable)
                ip("-n", where, "link", "set", cable, "up")
            ip("-n", name, "route", "add", "default", "via", near)
        yield names  # type: ignore[misc]
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=False)


class Site:
    """The server in its namespace, a worker on each load host, and the commands that use them."""

    def __init__(self, hosts: tuple[str, str, str]) -> None:
        self._home = hosts[0]
        argv = within(hosts[0], sys.executable, "-c", SERVING, SERVER, *map(str, PORTS))
        self._server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "up\n"
        clock = other_clock()
        self.ahead_s = {0, AHEAD_S} if clock else {0}
        helper = [BENCH, "load-worker", "--master", SERVER, "--allow-host", SERVER]
        self._workers = [
            subprocess.Popen(within(name, *first, *helper), cwd=ROOT, stdout=subprocess.DEVNULL)
            for name, first in zip(hosts[1:], ([], clock), strict=True)
        ]

    def bench(self, command: str, *words: str) -> dict[str, Any]:
        argv = [BENCH, command, *words, "--allow-host", SERVER, "--remote-workers", "2", "--bind", SERVER, "--json"]
        done = subprocess.run(
            within(self._home, *argv), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def seen(self) -> list[tuple[float, int, str]]:
        """Ends the server: when each request came, at which port, from which load host."""
        self._server.send_signal(signal.SIGTERM)
        told, _ = self._server.communicate(timeout=20)
        return [tuple(one) for one in json.loads(told)]

    def close(self) -> None:
        for process, wrapped in zip(self._workers, (False, len(self.ahead_s) > 1), strict=True):
            # `unshare` waits for its child and passes no signal on.
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split() if wrapped else ()
            for pid in map(int, children or [process.pid]):
                os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 15
        for process in [*self._workers, self._server]:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
            process.wait()
        if self._server.stdout is not None:
            self._server.stdout.close()


@pytest.fixture
def site(hosts: tuple[str, str, str]) -> Iterator[Site]:
    site = Site(hosts)
    yield site
    site.close()


def test_two_load_hosts_offer_one_rate_and_every_request_is_accounted_for(site: Site) -> None:
    url = f"http://{SERVER}:{PORTS[0]}/"
    found = site.bench("load", url, "--rate", "400", "--arrivals", "constant", "--seconds", "1", "--connections", "8")
    assert found["requests"] == 400
    assert found["errors"] == {}
    assert [one["requests"] for one in found["workers"]] == [200, 200]
    # Two clocks of which we know how they differ: read over the network that must come out, within what is said of it.
    ahead_s = {round(one["clock"]["ahead_ms"] / 1000) for one in found["workers"]}
    assert ahead_s == site.ahead_s
    for one in found["workers"]:
        ahead_ms = one["clock"]["ahead_ms"]
        assert abs(ahead_ms - 1000 * round(ahead_ms / 1000)) <= one["clock"]["within_ms"]
    clients = [client for _, _, client in site.seen()]
    assert len(clients) == 400 + 80, "and the warm-up's, a fifth of the time"
    assert {client: clients.count(client) for client in set(clients)} == {FIRST: 240, SECOND: 240}


def test_slices_are_begun_together_on_both_hosts_and_never_meet_another_targets(site: Site) -> None:
    urls = [f"http://{SERVER}:{port}/" for port in PORTS]
    found = site.bench("duet", *urls, "--seconds", "2", "--slice-ms", "50", "--connections", "4")
    assert 2 <= found["slices"] <= 40, "longer ones, and fewer, where the machine is slow"
    assert all(one["requests"] > 0 and not one["errors"] for one in found["targets"])
    slices = [list(part) for _, part in itertools.groupby(site.seen(), key=lambda one: one[1])]
    # One for each slice and each warm-up, fewer where a target's turn follows its own; more if any two had met.
    assert len(slices) <= 40 + 2
    together = 0
    for part in slices:
        spans = []
        for client in (FIRST, SECOND):
            times = [at for at, _, whose in part if whose == client]
            spans.append((min(times, default=math.inf), max(times, default=-math.inf)))
        together += max(begin for begin, _ in spans) < min(end for _, end in spans)
    assert together > len(slices) / 2, (
        "both at the same time; on a starved machine a slice may hold a request or two of each, or of one alone"
    )
    assert sum(len(part) for part in slices) >= sum(one["requests"] for one in found["targets"])
