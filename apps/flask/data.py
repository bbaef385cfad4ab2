"""Endpoints that read and write the database."""

from database import World, as_world, database
from flask import Blueprint, render_template
from parameters import lenient

blueprint = Blueprint("data", __name__)

ADDED = (0, "Additional fortune added at request time.")


@blueprint.get("/db")
def db() -> World:
    return as_world(database.random_rows(1)[0])


@blueprint.get("/queries")
def queries() -> list[World]:
    return [as_world(row) for row in database.random_rows(lenient("queries"))]


@blueprint.get("/updates")
def updates() -> list[World]:
    return [as_world(row) for row in database.update_rows(lenient("queries"))]


@blueprint.get("/cached-queries")
def cached_queries() -> list[World]:
    return database.cached_worlds(lenient("count"))


@blueprint.get("/fortunes")
def fortunes() -> str:
    rows = [*database.fortunes(), ADDED]
    rows.sort(key=lambda row: row[1])
    return render_template("fortunes.html", fortunes=rows)
