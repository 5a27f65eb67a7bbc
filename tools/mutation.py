#!/usr/bin/env python3
"""Break lines one at a time and see whether the quick tests notice.

    python tools/mutation.py [--rooms search,decision,geo,scoring] [--count 60] [--seed 0] [--seconds 300]

A copy of the checkout is made, one expression of a room's modules is changed in it (a comparison, a sign, a number, a
condition), and the room's quick tests run until the first failure, those files first that import the module. A change
that no test notices is printed with its line: either a test is missing, or the change makes no difference that
matters, which is to be said beside it. The changes are drawn by the seed, spread over the rooms by the number of
expressions that they hold. Every change is tried in a fork of this process, which has imported what never changes
(Linux and macOS).
"""

import argparse
import ast
import importlib
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORK = multiprocessing.get_context("fork")
ROOMS = ("search", "decision", "geo", "scoring")
# Where a room's tests do not all lie in the folder of its name.
TESTS = {
    "search": ("tests/search",),
    "decision": ("tests/decision", "tests/matching"),
    "geo": ("tests/geo", "tests/locating"),
    "scoring": ("tests/scoring",),
}
COMPARED = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
COMPUTED = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*", ast.Pow: "*"}


@dataclass(frozen=True)
class Mutant:
    """One change: the module, its line, and the whole new source."""

    path: str
    line: int
    before: str
    after: str
    source: str


def mutants(path: Path) -> Iterator[Mutant]:
    """Every change of one module, in the order of its syntax tree."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    encoded = source.encode()

    def span(node: ast.AST) -> tuple[int, int]:
        return (
            starts[node.lineno - 1] + node.col_offset,  # type: ignore[attr-defined]
            starts[node.end_lineno - 1] + node.end_col_offset,  # type: ignore[attr-defined]
        )

    def text(node: ast.AST) -> str:
        low, high = span(node)
        return encoded[low:high].decode()

    def changed(node: ast.AST, after: str) -> Mutant:
        low, high = span(node)
        new = encoded[:low] + after.encode() + encoded[high:]
        name = path.relative_to(ROOT).as_posix()
        return Mutant(name, node.lineno, text(node), after, new.decode())  # type: ignore[attr-defined]

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            operator = COMPARED[type(node.ops[0])]
            yield changed(node, f"{text(node.left)} {operator} {text(node.comparators[0])}")
        elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED:
            yield changed(node, f"({text(node.left)} {COMPUTED[type(node.op)]} {text(node.right)})")
        elif isinstance(node, ast.BoolOp):
            other = " or " if isinstance(node.op, ast.And) else " and "
            yield changed(node, f"({other.join(text(value) for value in node.values)})")
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield changed(node, text(node.operand))
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            value = node.value
            yield changed(node, repr(value + 1 if isinstance(value, int) else value * 2 or 1.0))


def drawn(rooms: list[str], count: int, seed: int) -> list[tuple[str, Mutant]]:
    """So many changes, drawn from all of these rooms."""
    every = [
        (room, mutant)
        for room in rooms
        for path in sorted((ROOT / "matcher" / room).rglob("*.py"))
        for mutant in mutants(path)
    ]
    return random.Random(seed).sample(every, min(count, len(every)))


def test_files(copy: Path, room: str, module: str) -> list[str]:
    """A room's test files, those first that import the module."""
    name = module.removesuffix(".py").replace("/", ".")
    files = [path for test in TESTS[room] for path in sorted((copy / test).glob("test_*.py"))]
    files.sort(key=lambda path: name not in path.read_text(encoding="utf-8"))
    return [str(path) for path in files]


def run_tests(files: list[str]) -> None:
    """Run tests until the first failure and end this process, with 0 where all pass."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        code = pytest.main(["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", *files])
    os._exit(int(code))


def survives(copy: Path, room: str, mutant: Mutant, seconds: int) -> bool:
    """Whether the room's quick tests pass with the change; a loop without an end does not."""
    target = copy / mutant.path
    sound = target.read_bytes()
    target.write_text(mutant.source, encoding="utf-8")
    try:
        tests = FORK.Process(target=run_tests, args=(test_files(copy, room, mutant.path),))
        tests.start()
        tests.join(seconds)
        if tests.is_alive():
            tests.kill()
            tests.join()
        return tests.exitcode == 0
    finally:
        target.write_bytes(sound)


def unchanged(copy: Path, room: str) -> Mutant:
    """No change at all."""
    path = f"matcher/{room}/__init__.py"
    return Mutant(path, 0, "", "", (copy / path).read_text(encoding="utf-8"))


def prepare(copy: Path) -> None:
    """Import from the copy, and import what no change touches: libraries and kernels."""
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    os.environ["PYTHONPATH"] = str(copy)
    sys.dont_write_bytecode = True
    for path in sorted((copy / "matcher" / "kernels").glob("[!_]*.py")):
        importlib.import_module(f"matcher.kernels.{path.stem}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rooms", default=",".join(ROOMS))
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--seconds", type=int, default=300, help="the most that the tests of one change may take"
    )
    options = parser.parse_args()
    chosen = drawn(options.rooms.split(","), options.count, options.seed)
    left: list[Mutant] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "__pycache__", "*.egg-info"))
        prepare(copy)
        for room in sorted({room for room, _ in chosen}):
            if not survives(copy, room, unchanged(copy, room), options.seconds):
                sys.exit(f"the tests of {room} fail as they stand: {', '.join(TESTS[room])}")
        for number, (room, mutant) in enumerate(chosen, 1):
            alive = survives(copy, room, mutant, options.seconds)
            left += [mutant] if alive else []
            said = "SURVIVED" if alive else "killed"
            print(
                f"{number:4} {said:9}{mutant.path}:{mutant.line}  {mutant.before}  ->  {mutant.after}",
                flush=True,
            )
    killed = len(chosen) - len(left)
    print(f"{killed} of {len(chosen)} noticed ({killed / max(len(chosen), 1):.0%})")


if __name__ == "__main__":
    main()
