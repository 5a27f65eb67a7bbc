"""The kernels' sources as one number, by which what was compiled of others is told apart."""

import hashlib
from functools import cache
from pathlib import Path


@cache
def digest_of(*paths: str) -> str:
    """The first 16 digits of the SHA-256 of the names and contents of some files."""
    whole = hashlib.sha256()
    for path in map(Path, paths):
        content = path.read_bytes()
        whole.update(f"{path.name} {len(content)}\n".encode() + content)
    return whole.hexdigest()[:16]


def digest() -> str:
    """The first 16 digits of the SHA-256 of the names and contents of all files of this folder."""
    return digest_of(*sorted(map(str, Path(__file__).parent.glob("*.py"))))
