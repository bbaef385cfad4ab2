"""Runs the command `flask` without Werkzeug's line for each request: `python run_flask_dev.py --app=module run --host=HOST --port=PORT`.

No option of `flask run` turns that access log off; warnings and errors are still written.
"""

import logging
import sys
from pathlib import Path

from flask.cli import main

# The script's own folder must not be where the application's modules are looked for.
own = Path(__file__).resolve().parent
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != own]
# Werkzeug sets a level of its own only where none is set.
logging.getLogger("werkzeug").setLevel(logging.WARNING)

if __name__ == "__main__":
    main()
