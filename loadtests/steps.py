"""The steps of a journey: numbers in records, names in results."""

MOST = 200
"""So many different steps are told apart."""
FURTHER = "(further steps: name= tells them apart)"


class Steps:
    """Names in the order in which they were first taken; a number is a place in `names`."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.methods: list[str] = []
        self._numbers: dict[tuple[str, str], int] = {}

    def number(self, method: str, name: str) -> int:
        """Of the step `name`; a new one where it was never taken.

        A journey that puts an id into every path and names no step would make a step of every request: beyond `MOST` they are one.
        """
        found = self._numbers.get((method, name))
        if found is None and len(self.names) >= MOST:
            name = FURTHER
            found = self._numbers.get((method, name))
        if found is None:
            found = self._numbers[(method, name)] = len(self.names)
            self.names.append(name)
            self.methods.append(method)
        return found
