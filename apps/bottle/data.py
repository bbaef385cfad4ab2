"""Endpoints that read and write the database."""

from application import application
from bottle import response, template
from database import World, as_world, database
from parameters import lenient

HTML = "text/html; charset=utf-8"
ADDED = (0, "Additional fortune added at request time.")


@application.get("/db")
def db() -> World:
    return as_world(database.random_rows(1)[0])


@application.get("/queries")
def queries() -> list[World]:
    return [as_world(row) for row in database.random_rows(lenient("queries"))]


@application.get("/updates")
def updates() -> list[World]:
    return [as_world(row) for row in database.update_rows(lenient("queries"))]


@application.get("/cached-queries")
def cached_queries() -> list[World]:
    return database.cached_worlds(lenient("count"))


@application.get("/fortunes")
def fortunes() -> str:
    rows = [*database.fortunes(), ADDED]
    rows.sort(key=lambda row: row[1])
    response.content_type = HTML
    return template("fortunes", fortunes=rows)
