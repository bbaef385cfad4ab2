"""`python -m bench.verify '{"url": ...}'`: the verifier where a server is, for who cannot reach it: arguments and report as JSON.

`static` is true where the files under /static are to be compared: they are the same everywhere, and made here.
"""

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench import static
from bench.model import BenchError
from bench.verify import verify


def main() -> int:
    """Returns the exit code: 0 with a report on standard output, whatever it says, 2 with one line on standard error."""
    asked = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        if asked.pop("static", False):
            static.make(Path(folder))
            asked["static_dir"] = Path(folder)
        try:
            report = verify(asked.pop("url"), **asked)
        except BenchError as error:
            print(error, file=sys.stderr)
            return 2
    print(json.dumps(asdict(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
