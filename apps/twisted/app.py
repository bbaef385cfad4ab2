"""The contract in Twisted: a tree of resources, written with callbacks, and the site that serves it."""

import os

import handlers
import items
import records
from database import Database
from resources import Folder
from twisted.web.server import Site


def make_site() -> Site:
    url = os.environ.get("DATABASE_URL")
    database = Database(url, int(os.environ.get("DB_POOL_MAX", "4"))) if url else None
    api = Folder()
    api.putChild(b"items", items.Items(database))
    root = Folder()
    for path, resource in {
        b"healthz": handlers.Text("ok"),
        b"plaintext": handlers.Text("Hello, World!"),
        b"json": handlers.Json(),
        b"db": records.Db(database),
        b"queries": records.Queries(database),
        b"fortunes": records.Fortunes(database),
        b"updates": records.Updates(database),
        b"cached-queries": records.CachedQueries(database),
        b"api": api,
        b"io": handlers.Io(),
        b"io-db": records.IoDb(database),
        b"cpu": handlers.Cpu(),
        b"upload": handlers.Upload(),
        b"blob": handlers.Blob(),
        b"static": handlers.Static(os.environ.get("STATIC_DIR", "static")),
        b"whoami": handlers.WhoAmI(),
    }.items():
        root.putChild(path, resource)
    if os.environ.get("FAULT_SECRET"):
        from fault_resources import Faults

        root.putChild(b"fault", Faults())
    # Forms would be read into memory as a whole, and a body is what was sent.
    return Site(root, handlers.BoundedRequest, parsePOSTFormSubmission=False)
