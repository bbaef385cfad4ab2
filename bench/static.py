"""The files under /static: fixed bytes that do not compress, the same everywhere. Standard library only: images are built with it.

python static.py FOLDER
"""

import hashlib
import sys
from pathlib import Path

FILES = {"1kb.bin": 1024, "100kb.bin": 102_400, "10mb.bin": 10_485_760}


def make(folder: Path) -> None:
    """Write what is missing in `folder`, each file complete before it has its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in FILES.items():
        path = folder / name
        if path.exists() and path.stat().st_size == size:
            continue
        content = hashlib.shake_256(name.encode()).digest(size)
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(path)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
