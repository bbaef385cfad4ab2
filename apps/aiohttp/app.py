"""The contract's application in aiohttp: the routes, and what starts and ends with the process."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp_jinja2
import handlers
import items
import jinja2
import records
from aiohttp import web
from database import Database


async def hold_database(app: web.Application) -> AsyncIterator[None]:
    """Holds the pool while the application runs; the first request that needs a connection opens it."""
    database = Database(os.environ["DATABASE_URL"], int(os.environ.get("DB_POOL_MAX", "4")))
    app[records.DATABASE] = database
    yield
    await database.close()


def make_app() -> web.Application:
    # A body is what was sent: not even gzip is undone.
    app = web.Application(handler_args={"auto_decompress": False})
    # Templates do not change while the process lives: by default each use asks the file system.
    templates = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
    aiohttp_jinja2.setup(app, loader=templates, auto_reload=False)
    if os.environ.get("DATABASE_URL"):
        app.cleanup_ctx.append(hold_database)
    app.add_routes(handlers.routes)
    app.add_routes(records.routes)
    app.add_routes(items.routes)
    if os.environ.get("FAULT_SECRET"):
        import fault_routes

        app.add_routes(fault_routes.routes)
    if os.environ.get("UPSTREAM_URL"):
        import fanout

        app.cleanup_ctx.append(fanout.hold_session)
        app.add_routes(fanout.routes)
    static = Path(os.environ.get("STATIC_DIR", "static"))
    if static.is_dir():  # add_static() refuses a folder that is absent; its files are then unknown paths.
        app.router.add_route("*", "/static", not_a_file_name)
        app.router.add_route("*", "/static/{name:(.{256,})?}", not_a_file_name)
        app.router.add_static("/static/", static)
    return app


async def not_a_file_name(request: web.Request) -> web.Response:
    """The folder itself (403 by add_static), and names longer than file systems allow (OSError, so 500)."""
    raise web.HTTPNotFound
