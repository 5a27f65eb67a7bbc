#!/usr/bin/env python3
"""Run `matcher demo` and put what it prints into README.md, and its picture, made small, into docs/matches.png.

python tools/update_readme.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- demo: written by tools/update_readme.py -->\n", "<!-- end of demo -->"
WIDTH = 900  # px
ROWS = (" ", "patches", "official score", "right image", "within 2 px")


def short(printed: str) -> str:
    """Of the first table of scores the rows that say most."""
    table = printed.split("\n\n")[1]
    return "\n".join(line.rstrip() for line in table.splitlines() if line.startswith(ROWS))


def main() -> None:
    """Rewrite the part of the README between its two marks."""
    readme = ROOT / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(START)
    _, after = rest.split(END)
    with tempfile.TemporaryDirectory() as folder:
        call = [sys.executable, "-c", "from matcher.cli import main; main()", "demo"]
        done = subprocess.run(call, cwd=folder, check=True, capture_output=True, text=True)
        with Image.open(Path(folder, "matcher-demo", "matches.png")) as picture:
            small = picture.resize(
                (WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS
            )
    small.quantize(255, dither=Image.Dither.FLOYDSTEINBERG).save(ROOT / "docs" / "matches.png", optimize=True)
    shown = f"```\n$ matcher demo\n{short(done.stdout)}\n```\n"
    readme.write_text(before + START + shown + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
