"""What the request handlers share: exact JSON, errors as JSON, parameters, no ETag."""

import json
from http import HTTPStatus
from typing import Any

import parameters
from database import Database
from tornado.web import HTTPError, RequestHandler


class RefusalError(HTTPError):
    """An answer other than 200 that says why in its body."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(status)
        self.body = {"error": message}


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class JsonErrors(RequestHandler):
    """Answers every error as JSON, in the place of Tornado's page."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        body = error.body if isinstance(error, RefusalError) else {"error": HTTPStatus(status_code).phrase}
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.allowed_methods()))
        self.set_header("Content-Type", "application/json")
        self.finish(json_bytes(body))

    def allowed_methods(self) -> list[str]:
        def is_defined(method: str) -> bool:
            return getattr(type(self), method.lower()) is not getattr(RequestHandler, method.lower())

        return [method for method in self.SUPPORTED_METHODS if is_defined(method)]


class Handler(JsonErrors):
    @property
    def database(self) -> Database:
        if database := self.settings["database"]:
            return database
        raise RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, "DATABASE_URL is not set")

    def compute_etag(self) -> None:
        """No ETag: hashing every body would be work that nobody asked for."""

    def raw_parameter(self, name: str) -> bytes | None:
        """The parameter before decoding, since get_query_argument answers 400 to bytes that are no UTF-8."""
        values = self.request.query_arguments.get(name)
        return values[0] if values else None

    def lenient(self, name: str) -> int:
        return parameters.lenient(self.raw_parameter(name))

    def strict(self, name: str, highest: int, *, lowest: int = 0) -> int:
        try:
            return parameters.strict(self.raw_parameter(name), highest, lowest=lowest)
        except ValueError as error:
            raise RefusalError(HTTPStatus.BAD_REQUEST, f"{name}: {error}") from None

    def optional(self, name: str, absent: int, highest: int, *, lowest: int = 0) -> int:
        """As `strict`, but `absent` where the parameter is missing."""
        return absent if self.raw_parameter(name) is None else self.strict(name, highest, lowest=lowest)

    def finish_json(self, value: Any) -> None:
        # write() of a dictionary would add a charset to the type and spaces to the body.
        self.set_header("Content-Type", "application/json")
        self.finish(json_bytes(value))

    def finish_text(self, text: str) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(text)


class NotFound(JsonErrors):
    """Every path that no route matches, whatever the method."""

    def prepare(self) -> None:
        raise HTTPError(HTTPStatus.NOT_FOUND)
