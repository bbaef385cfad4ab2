"""An aiohttp server that answers a constant, after `--work` turns of an empty loop: with different work, a known difference.

Runs on the interpreter of the aiohttp application's environment.
"""

import argparse
import itertools

from aiohttp import web


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--work", type=int, default=0)
    options = parser.parse_args()

    async def answer(request: web.Request) -> web.Response:
        for _ in itertools.repeat(
            None, options.work
        ):  # every turn costs alike; a range makes integers, large ones anew
            pass
        return web.Response(text="Hello, World!")

    app = web.Application()
    app.router.add_get("/", answer)
    web.run_app(app, host="127.0.0.1", port=options.port, access_log=None, backlog=2048, print=None)


if __name__ == "__main__":
    main()
