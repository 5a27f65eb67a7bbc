"""The version and the name of the distribution, where every room can read them without the facade."""

VERSION = "0.1.0"
DISTRIBUTION = (
    "satellite-patch-matcher"  # what package indexes call it; there, `matcher` is another project's
)


def install_command(extra: str) -> str:
    """What to type to install an extra, such as ``geo``."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
