"""Which processes answer: `/whoami` asked on many connections at once, since one after the other would meet the same process."""

import asyncio
import contextlib
import json
from collections import Counter

from bench.render import Endpoint

_REQUEST = b"GET /whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PATIENCE_S = 5.0


def answering(endpoint: Endpoint, connections: int) -> Counter[int]:
    """From process id, as the process itself knows it, to how many of `connections` fresh connections it answered."""
    return asyncio.run(_ask_all(endpoint, connections))


async def _ask_all(endpoint: Endpoint, connections: int) -> Counter[int]:
    opened = await asyncio.gather(*(_open(endpoint) for _ in range(connections)), return_exceptions=True)
    streams = [one for one in opened if not isinstance(one, BaseException)]
    for _, writer in streams:
        writer.write(_REQUEST)
    answers = await asyncio.gather(*(_read(*stream) for stream in streams))
    return Counter(pid for pid in answers if pid is not None)


async def _open(endpoint: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(PATIENCE_S):
        if endpoint.socket:
            return await asyncio.open_unix_connection(endpoint.socket)
        return await asyncio.open_connection(endpoint.host, endpoint.port)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int | None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            text = (await reader.read()).partition(b"\r\n\r\n")[2].decode(errors="replace")
        # A chunked body has its object between the lines that say how long the chunks are.
        return int(json.loads(text[text.index("{") : text.rindex("}") + 1])["pid"])
    except (OSError, TimeoutError, ValueError, KeyError, TypeError):
        return None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
