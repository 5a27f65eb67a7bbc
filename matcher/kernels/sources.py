"""The kernels' sources as one number, by which what was compiled of others is told apart."""

import hashlib
from functools import cache
from pathlib import Path


@cache
def digest() -> str:
    """The first 16 digits of the SHA-256 of the names and contents of all files of this folder."""
    whole = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        content = path.read_bytes()
        whole.update(f"{path.name} {len(content)}\n".encode() + content)
    return whole.hexdigest()[:16]
