"""What ``matcher --show-versions`` prints: everything that a report of a bug should say."""

import os
import platform
import sys
from importlib import metadata

from matcher.version import VERSION

_PACKAGES = (
    "numpy", "scipy", "numba", "llvmlite", "opencv-python", "opencv-python-headless", "scikit-image", "pillow",
    "click", "google-crc32c", "threadpoolctl", "rasterio", "pyarrow", "tensorflow", "distributed",
)  # fmt: skip


def versions() -> list[tuple[str, str]]:
    """Pairs of name and version: the matcher, Python, the machine, and the packages that are installed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    out = [
        ("matcher", VERSION),
        ("Python", f"{platform.python_version()} ({sys.executable})"),
        ("system", f"{platform.platform()}, {cores} cores"),
    ]
    for name in _PACKAGES:
        try:
            out.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            out.append((name, "not installed"))
    return out
