"""Endpoints that read and write the database."""

from application import application
from bottle import response, template
from database import database
from parameters import lenient

HTML = "text/html; charset=utf-8"
ADDED = (0, "Additional fortune added at request time.")


def as_object(row: tuple[int, int]) -> dict[str, int]:
    return {"id": row[0], "randomNumber": row[1]}


@application.get("/db")
def db() -> dict[str, int]:
    return as_object(database.random_rows(1)[0])


@application.get("/queries")
def queries() -> list[dict[str, int]]:
    return [as_object(row) for row in database.random_rows(lenient("queries"))]


@application.get("/updates")
def updates() -> list[dict[str, int]]:
    return [as_object(row) for row in database.update_rows(lenient("queries"))]


@application.get("/cached-queries")
def cached_queries() -> list[dict[str, int]]:
    return [as_object(row) for row in database.cached_rows(lenient("count"))]


@application.get("/fortunes")
def fortunes() -> str:
    rows = [*database.fortunes(), ADDED]
    rows.sort(key=lambda row: row[1])
    response.content_type = HTML
    return template("fortunes", fortunes=rows)
