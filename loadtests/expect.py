"""What the scenario expects of a response, asked of the head (once for each different one) and of the body."""

from loadtests.errors import Fault
from loadtests.parser import Head, Response
from loadtests.scenario import Request

_MOST_PROBLEMS = 10


class Expectation:
    """The verdicts over responses to one request."""

    def __init__(self, request: Request) -> None:
        self.every = request.every
        self.problems: list[str] = []
        """What was wrong, in words: the first few different ones."""
        self._check = request.check
        self._status = request.status
        self._length = request.check.length
        self._content_type = None if request.content_type is None else _plain(request.content_type)

    def judge_head(self, head: Head) -> Fault:
        """Status, content type, and length where the head gives it."""
        if head.status != self._status if self._status is not None else head.status >= 400:
            self._note(f"status {head.status}, expected {self._status or 'one below 400'}")
            return Fault.STATUS
        if self._content_type is not None and _plain(head.content_type or "") != self._content_type:
            self._note(f"content type {head.content_type!r}, expected {self._content_type!r}")
            return Fault.BAD_CONTENT
        if self._length is not None and head.length not in (None, self._length):
            self._note(f"length {head.length}, expected {self._length}")
            return Fault.BAD_CONTENT
        return Fault.OK

    def judge_body(self, response: Response) -> Fault:
        """The length where the head did not give it, and the content where it was kept."""
        if self._length is not None and response.body_bytes != self._length:
            self._note(f"length {response.body_bytes}, expected {self._length}")
            return Fault.BAD_CONTENT
        if response.keep and (problem := self._check.problem(response.kept)):
            self._note(problem)
            return Fault.BAD_CONTENT
        return Fault.OK

    def _note(self, problem: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS and problem not in self.problems:
            self.problems.append(problem)


def _plain(content_type: str) -> str:
    return content_type.replace(" ", "").lower()
