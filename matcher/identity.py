"""What makes two runs the same: settings and versions; inputs by content are `matcher.formats.fingerprint`'s."""

import importlib.metadata
from dataclasses import asdict
from typing import Any

from matcher.kernels.sources import digest
from matcher.model import read_model
from matcher.settings import Settings
from matcher.version import VERSION

PACKAGES = ("numpy", "scipy", "numba")
FREE = ("threads", "memory", "min_confidence")  # settings that nothing in a shard depends on


def versions() -> dict[str, str]:
    """Versions of the packages that compute, and the digest of the kernels."""
    return {"matcher": VERSION, "kernels": digest()} | {
        name: importlib.metadata.version(name) for name in PACKAGES
    }


def settings_identity(settings: Settings) -> dict[str, Any]:
    """The settings that shards depend on, as JSON gives them back."""
    out: dict[str, Any] = {}
    for name, value in asdict(settings).items():
        if name not in FREE:
            default = Settings.__dataclass_fields__[name].default
            value = float(value) if isinstance(default, float) else value
            out[name] = list(value) if isinstance(value, tuple) else value
    if settings.model is not None:
        out["model"] = read_model(settings.model).digest
    return out
