#!/usr/bin/env python3
"""Make a copy of the checkout as it is published: with the repository's addresses, which only a release knows.

python tools/prepare_release.py OWNER/NAME v0.1.0 OUT && python -m build OUT

Package indexes show the README without the files beside it, so its pictures and links are made absolute, to the tag.
The metadata name the repository, its issues, and the address that GitHub gives to an owner who takes no mail. A
tag that is not the version's is refused.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_FILE = r"\((?!https?:|#|mailto:)([^)\s]+)\)"  # of the repository
_PICTURE = re.compile(r"!\[([^\]]*)\]" + _FILE)
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]" + _FILE)


def absolute(text: str, repository: str, tag: str) -> str:
    """A document's text with every link to a file of the repository made absolute, and pictures to their bytes."""
    raw, page = (
        f"https://raw.githubusercontent.com/{repository}/{tag}",
        f"https://github.com/{repository}/blob/{tag}",
    )
    return _LINK.sub(rf"[\1]({page}/\2)", _PICTURE.sub(rf"![\1]({raw}/\2)", text))


def metadata(config: str, repository: str, tag: str) -> str:
    """The text of setup.cfg with the repository's addresses."""
    base = f"https://github.com/{repository}"
    lines = [
        f"author_email = The matcher authors <{repository.split('/')[0]}@users.noreply.github.com>",
        f"url = {base}",
        "project_urls =",
        f"    Source = {base}",
        f"    Issues = {base}/issues",
        f"    Changes = {base}/blob/{tag}/CHANGELOG.md",
        f"    Documentation = {base}/tree/{tag}/docs",
    ]
    before, author, after = config.partition("author = The matcher authors\n")
    if not author:
        raise SystemExit("setup.cfg: names no author")
    return before + author + "\n".join(lines) + "\n" + after


def tracked(root: Path) -> list[str]:
    """The files that git tracks."""
    command = ["git", "-C", str(root), "ls-files", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name]


def prepare(repository: str, tag: str, out: Path, root: Path = ROOT) -> None:
    """Write the copy.

    Raises
    ------
    SystemExit
        If the repository is not OWNER/NAME, the tag is not the version's, or the folder is there already.
    """
    version = re.search(r'^VERSION = "(.+)"$', (root / "matcher" / "version.py").read_text("utf-8"), re.M)
    if version is None or tag != f"v{version[1]}":
        raise SystemExit(f"tag {tag}: matcher/version.py says {version[1] if version else 'nothing'}")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise SystemExit(f"repository {repository}: give OWNER/NAME")
    if out.exists():
        raise SystemExit(f"{out}: is there already; name another folder")
    for name in tracked(root):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, out / name)
    for name, change in (("README.md", absolute), ("setup.cfg", metadata)):
        text = (root / name).read_text(encoding="utf-8")
        (out / name).write_text(change(text, repository, tag), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", metavar="OWNER/NAME")
    parser.add_argument("tag")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    prepare(given.repository, given.tag, given.out)
    print(f"{given.out}: ready for `{Path(sys.executable).name} -m build`")


if __name__ == "__main__":
    main()
