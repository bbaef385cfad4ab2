"""`python -m bench.database`: fill the database that DATABASE_URL names, and nothing else. For containers."""

import os
import sys

from bench.database import data
from bench.model import BenchError

if __name__ == "__main__":
    try:
        data.prepare(os.environ["DATABASE_URL"])
    except KeyError:
        sys.exit("DATABASE_URL is not set")
    except BenchError as error:
        sys.exit(str(error))
