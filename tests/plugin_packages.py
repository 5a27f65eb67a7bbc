"""Packages of other people, as pip leaves them."""

import re
import shutil
from pathlib import Path


def install(folder: Path, name: str, group: str, value: str) -> None:
    """Put a package with one entry point of a group, such as ``matcher.readers``, into a folder."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{value}\n")


def install_example(folder: Path, example: Path, module: str, group: str) -> None:
    """Put a worked example of the documents into a folder, with the entry point that its pyproject.toml says."""
    shutil.copy(example / f"{module}.py", folder)
    entry = re.search(
        rf'\[project\.entry-points\."{re.escape(group)}"\]\n(.*)', (example / "pyproject.toml").read_text()
    )
    assert entry is not None
    install(folder, f"matcher_{module}", group, entry[1].replace('"', ""))
