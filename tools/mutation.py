#!/usr/bin/env python3
"""Break lines one at a time and see whether the quick tests notice.

    python tools/mutation.py [--rooms search,decision,geo,scoring] [--count 60] [--seed 0]

A copy of the checkout is made, one expression of a room's modules is changed in it (a comparison, a sign, a number, a
condition), and the room's quick tests run until the first failure, those files first that import the module. A change
that no test notices is printed with its line: either a test is missing, or the change makes no difference that
matters, which is to be said beside it. The changes are drawn by the seed, spread over the rooms by the number of
expressions that they hold. Every change is tried in a fork of this process, which has imported what never changes
(Linux and macOS). Loops without an end are told by the processor time that the tests take, not by the clock: a busy
machine kills no change.
"""

import argparse
import ast
import importlib
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SURVIVED, KILLED, ENDLESS = "SURVIVED", "killed", "endless"  # the last is a way of being killed
PATIENCE = 3.0  # times the processor time of the unchanged tests that changed ones may take …
LEAST = 30  # … and seconds besides
WAIT = 50  # times as long by the clock, after which tests that wait for ever are given up

ROOT = Path(__file__).resolve().parents[1]
FORK = multiprocessing.get_context("fork")
# Imported once for all tests: matcher imports most of them only where it needs them.
LIBRARIES = ("click", "cv2", "hypothesis", "numpy", "pyproj", "rasterio", "scipy.ndimage", "skimage")
OUTPUT = "output.txt"  # in the copy: what the tests said last
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

    def whole(node: ast.AST) -> str:
        """An operand in brackets, which its own text has not."""
        return text(node) if isinstance(node, ast.Name | ast.Constant) else f"({text(node)})"

    def changed(node: ast.AST, after: str) -> Mutant:
        low, high = span(node)
        new = encoded[:low] + after.encode() + encoded[high:]
        name = path.relative_to(ROOT).as_posix()
        return Mutant(name, node.lineno, text(node), after, new.decode())  # type: ignore[attr-defined]

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            operator = COMPARED[type(node.ops[0])]
            yield changed(node, f"{whole(node.left)} {operator} {whole(node.comparators[0])}")
        elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED:
            yield changed(node, f"({whole(node.left)} {COMPUTED[type(node.op)]} {whole(node.right)})")
        elif isinstance(node, ast.BoolOp):
            other = " or " if isinstance(node.op, ast.And) else " and "
            yield changed(node, f"({other.join(whole(value) for value in node.values)})")
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield changed(node, whole(node.operand))
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


def run_tests(files: list[str], seconds: int, output: Path) -> None:
    """Run tests until the first failure and end this process, with 0 where all pass; 0 seconds for any time."""
    with open(output, "w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    if seconds:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    code = pytest.main(["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", *files])
    sys.stdout.flush()
    os._exit(int(code))


def outcome(copy: Path, room: str, mutant: Mutant, seconds: int) -> str:
    """What the room's quick tests make of the change within so many seconds of processor time, 0 for any number."""
    target = copy / mutant.path
    sound = target.read_bytes()
    target.write_text(mutant.source, encoding="utf-8")
    try:
        files = test_files(copy, room, mutant.path)
        tests = FORK.Process(target=run_tests, args=(files, seconds, copy / OUTPUT))
        tests.start()
        tests.join(WAIT * seconds or None)
        if tests.is_alive():
            tests.kill()
            tests.join()
        return SURVIVED if tests.exitcode == 0 else ENDLESS if (tests.exitcode or 0) < 0 else KILLED
    finally:
        target.write_bytes(sound)


def seconds_allowed(copy: Path, room: str) -> int:
    """How long the tests of a room's changes may take, from how long they take as they stand; they are to pass."""
    before = processor_time()
    if outcome(copy, room, unchanged(copy, room), 0) != SURVIVED:
        said = (copy / OUTPUT).read_text(encoding="utf-8", errors="replace")
        sys.exit(f"{said}\nthe tests of {room} fail as they stand: {', '.join(TESTS[room])}")
    return int(PATIENCE * (processor_time() - before)) + LEAST


def processor_time() -> float:
    """What all processes begun by this one and ended have taken, seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def unchanged(copy: Path, room: str) -> Mutant:
    """No change at all."""
    path = f"matcher/{room}/__init__.py"
    return Mutant(path, 0, "", "", (copy / path).read_text(encoding="utf-8"))


def prepare(copy: Path) -> None:
    """Import from the copy, and import what no change touches: libraries, and kernels with what was compiled of them.

    Kernels come from this checkout, since numba keeps what it compiles by the folder, and that of a copy is new.
    """
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    os.environ["PYTHONPATH"] = str(copy)
    sys.dont_write_bytecode = True
    for name in LIBRARIES:
        importlib.import_module(name)
    paths = importlib.import_module("matcher").__path__
    paths.insert(0, str(ROOT / "matcher"))
    for path in sorted((ROOT / "matcher" / "kernels").glob("[!_]*.py")):
        importlib.import_module(f"matcher.kernels.{path.stem}")
    paths.pop(0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rooms", default=",".join(ROOMS))
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chosen = drawn(options.rooms.split(","), options.count, options.seed)
    left: list[Mutant] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "__pycache__", "*.egg-info"))
        prepare(copy)
        seconds = {room: seconds_allowed(copy, room) for room in sorted({room for room, _ in chosen})}
        for number, (room, mutant) in enumerate(chosen, 1):
            said = outcome(copy, room, mutant, seconds[room])
            left += [mutant] if said == SURVIVED else []
            changed = f"{mutant.before}  ->  {mutant.after}"
            print(f"{number:4} {said:9}{mutant.path}:{mutant.line}  {changed}", flush=True)
    killed = len(chosen) - len(left)
    print(f"{killed} of {len(chosen)} noticed ({killed / max(len(chosen), 1):.0%})")


if __name__ == "__main__":
    main()
