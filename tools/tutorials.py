#!/usr/bin/env python3
"""Follow the tutorials to the letter from an empty folder, and hold what they show to what is printed.

    python tools/tutorials.py WORK [NAME …] [--data DATA] [--write]

NAME is hackathon, cluster, qgis, learned or guide (docs/learned); by default the first three, one after the other in
one new folder in WORK. Says each shown line that was not printed, or was printed with other numbers; exit code 1 then.
A command that ends with another exit code than the text before it says (0 where it says none) ends it all. `--write`
puts the numbers that were printed into the pages. Installing, QGIS, PyTorch, addresses of others and the fetching of
places are left out; the latter two pages run in a copy of docs/ and tools/, and need TensorFlow and the real places.

A shown line and a printed one belong together when they are the same but for numbers and widths of columns. Times, and
numbers that are within a hundredth of each other, pass.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = {name: DOCS / "tutorials" / f"{name}.md" for name in ("hackathon", "cluster", "qgis", "learned")}
PAGES["guide"] = DOCS / "learned" / "README.md"
BY_DEFAULT = ("hackathon", "cluster", "qgis")
LEFT_OUT = (
    "-m venv",
    "pip install",
    "qgis_process",
    "HOST",
    "collection.json",
    "tools/places.py",
    "processing/scripts",
    "deactivate",
    "torch",
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_COMMAND = re.compile(r"(matcher|python|cd|cp|mkdir|head|cmp|rm|ls|rio) |[A-Z]+=")
_NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?(?![\w:])")
_TIME = re.compile(r"\b\d+:\d\d(:\d\d)?\b|\b\d+ s\b")
_ELLIPSIS = "…"
_MARK = "=== of step"
_CLOSE = 0.01


@dataclass(frozen=True)
class Step:
    """Commands of a tutorial, what it shows of their output, and the exit code that its text says."""

    commands: tuple[str, ...]
    python: bool
    code: int
    shown: tuple[tuple[int, str], ...]  # places in the text, and the blocks there


def steps(text: str) -> list[Step]:
    """The steps of a tutorial in their order."""
    out: list[Step] = []
    end = 0
    for fence in _FENCE.finditer(text):
        language, body = fence.groups()
        before, end = text[end : fence.start()], fence.end()
        if language not in ("", "python"):
            continue
        first = body.split("\n", 1)[0]
        if language == "python" or _COMMAND.match(first):
            said = re.search(r"exit code (\d)", before)
            lines = (body,) if language else tuple(line.split(" #")[0] for line in body.splitlines())
            out.append(Step(lines, bool(language), int(said[1]) if said else 0, ()))
        elif out:
            last = out[-1]
            shown = (*last.shown, (fence.start(2), body))
            out[-1] = Step(last.commands, last.python, last.code, shown)
    return out


def alike(line: str) -> str:
    """A line without its numbers, times and widths: what it says."""
    return " ".join(_NUMBER.sub("#", _TIME.sub("@", line)).replace("--", "").split())


def near(shown: str, printed: str) -> bool:
    """Whether two lines that are alike have the same numbers, fractions but for a hundredth, whatever their times."""
    one, other = (
        [float(number.replace(",", "")) for number in _NUMBER.findall(_TIME.sub("@", line))]
        for line in (shown, printed)
    )
    return all(
        a == b if a % 1 == b % 1 == 0 else abs(a - b) <= _CLOSE * max(1.0, abs(a))
        for a, b in zip(one, other, strict=True)
    )


def held(body: str, printed: str) -> Iterator[tuple[str, str | None]]:
    """Each line of a shown block, and the printed line that is like it, in their order; None where there is none."""
    lines = printed.splitlines()
    at = 0
    for shown in body.splitlines():
        if not shown.strip() or shown.strip() == _ELLIPSIS:
            continue
        found = next((k for k in range(at, len(lines)) if alike(lines[k]) == alike(shown)), None)
        if found is None:
            yield shown, None
        else:
            at = found + 1
            yield shown, lines[found].rstrip()


def run(all_steps: list[Step], folder: Path, data: str) -> list[str]:
    """Do the steps in one shell, as a user does in one terminal; what each printed.

    Raises
    ------
    SystemExit
        Where a command ends otherwise than the text says.
    """
    script, codes = [], []
    for k, step in enumerate(all_steps):
        done = [
            c.replace("DATA/", f"{data}/") for c in step.commands if not any(word in c for word in LEFT_OUT)
        ]
        for command in done:
            script.append(f"python - <<'DONE'\n{command}DONE\n" if step.python else command)
            script.append(f"code=$?; echo; echo {_MARK} {k} $code")
            codes.append(step.code if command == done[-1] else 0)
    search = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    whole = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=folder, env={**os.environ, "PATH": search, "COLUMNS": "120"},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    ).stdout  # fmt: skip
    printed = [""] * len(all_steps)
    parts = re.split(rf"^{_MARK} (\d+) (\d+)\n", whole, flags=re.M)
    for output, k, code, said in zip(parts[0::3], parts[1::3], parts[2::3], codes, strict=False):
        printed[int(k)] += output
        if int(code) != said:
            raise SystemExit(f"{all_steps[int(k)].commands}\n{output}ended with exit code {code}, not {said}")
    return printed


def follow(path: Path, folder: Path, data: str) -> tuple[str, list[str]]:
    """Follow a tutorial; its text with the numbers that were printed, and what is shown otherwise than it is."""
    text, name = path.read_text(encoding="utf-8"), path.name
    wrong, changes = [], []
    all_steps = steps(text)
    for step, printed in zip(all_steps, run(all_steps, folder, data), strict=True):
        for start, body in step.shown if printed.strip() else ():  # nothing: all its commands are left out
            fresh = body
            for shown, line in held(body, printed):
                if line is None:
                    wrong.append(f"{name}: not printed: {shown}")
                    continue
                if not near(shown, line):
                    wrong.append(f"{name}: shown:   {shown}\n{' ' * len(name)}  printed: {line}")
                if _TIME.sub("", shown) != _TIME.sub("", line):
                    fresh = fresh.replace(shown, line, 1)
            changes.append((start, body, fresh))
    for start, body, fresh in reversed(changes):
        text = text[:start] + fresh + text[start + len(body) :]
    return text, wrong


def main() -> int:
    """Follow tutorials, and say what they show otherwise than it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("names", nargs="*", help="by default " + ", ".join(BY_DEFAULT))
    parser.add_argument("--data", default=os.environ.get("MATCHER_DATA", "DATA"))
    parser.add_argument(
        "--write", action="store_true", help="put the numbers that were printed into the tutorials"
    )
    given = parser.parse_args()
    names = given.names or BY_DEFAULT
    if unknown := set(names) - set(PAGES):
        parser.error(f"no tutorial is called {', '.join(sorted(unknown))}; there are {', '.join(PAGES)}")
    given.work.mkdir(parents=True, exist_ok=True)
    empty = Path(tempfile.mkdtemp(prefix="tutorials-", dir=given.work))
    wrong = []
    for name in names:
        folder = empty
        if name not in BY_DEFAULT:
            folder = empty / f"clone-{name}"
            for part in ("docs", "tools"):
                shutil.copytree(ROOT / part, folder / part)
        text, off = follow(PAGES[name], folder, os.path.abspath(given.data))
        wrong += off
        if given.write:
            PAGES[name].write_text(text, encoding="utf-8")
    print("\n".join(wrong) or "all is as it is shown")
    return 1 if any(not given.write or "not printed" in line for line in wrong) else 0


if __name__ == "__main__":
    sys.exit(main())
