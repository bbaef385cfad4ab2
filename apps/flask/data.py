"""Endpoints that read and write the database."""

from database import database
from flask import Blueprint, render_template
from parameters import lenient

blueprint = Blueprint("data", __name__)

ADDED = (0, "Additional fortune added at request time.")


def as_object(row: tuple[int, int]) -> dict[str, int]:
    return {"id": row[0], "randomNumber": row[1]}


@blueprint.get("/db")
def db() -> dict[str, int]:
    return as_object(database.random_rows(1)[0])


@blueprint.get("/queries")
def queries() -> list[dict[str, int]]:
    return [as_object(row) for row in database.random_rows(lenient("queries"))]


@blueprint.get("/updates")
def updates() -> list[dict[str, int]]:
    return [as_object(row) for row in database.update_rows(lenient("queries"))]


@blueprint.get("/cached-queries")
def cached_queries() -> list[dict[str, int]]:
    return [as_object(row) for row in database.cached_rows(lenient("count"))]


@blueprint.get("/fortunes")
def fortunes() -> str:
    rows = [*database.fortunes(), ADDED]
    rows.sort(key=lambda row: row[1])
    return render_template("fortunes.html", fortunes=rows)
