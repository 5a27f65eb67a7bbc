"""What ``matcher --show-versions`` prints: everything that a report of a bug should say."""

import platform
import sys
from importlib import metadata

from matcher.kernels.sources import digest
from matcher.threads import usable_cores
from matcher.version import VERSION

_PACKAGES = (
    "numpy", "scipy", "numba", "llvmlite", "opencv-python", "opencv-python-headless", "scikit-image", "pillow",
    "click", "google-crc32c", "threadpoolctl", "rasterio", "pyarrow", "tensorflow", "distributed",
)  # fmt: skip


def versions() -> list[tuple[str, str]]:
    """Pairs of name and version: the matcher, Python, the machine, and the packages that are installed."""
    out = [
        ("matcher", f"{VERSION}, kernels {digest()}"),
        ("Python", f"{platform.python_version()} ({sys.executable})"),
        ("system", f"{platform.platform()}, {usable_cores()} cores"),
    ]
    for name in _PACKAGES:
        try:
            out.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            out.append((name, "not installed"))
    return out
