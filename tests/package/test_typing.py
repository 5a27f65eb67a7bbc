"""What type checkers say of a user's script: right calls pass, wrong ones are errors where they stand."""

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

import matcher
from matcher.alignment.fits import KINDS
from matcher.alignment.run import Aligning, AlignOptions
from matcher.locating.plan import LocateOptions, Locating
from matcher.settings import MatchOptions, PictureOptions, Settings

RIGHT = """
from pathlib import Path

import numpy as np

import matcher

stack = np.zeros((2, 96, 96, 4), np.uint16)
result: matcher.Result = matcher.match(stack, stack[:, :64, :64], effort=2, search="exhaustive", bands=["a", "b"])
confidence: float = float(result.confidence[0])
result = matcher.match(Path("images.npy"), "patches.npy", matcher.Settings(evidence=("phase",)), memory=1 << 30)
places: list[matcher.Place] = matcher.locate("chip.tif", ["a.tif", "b.tif"], candidates=3, scale="auto", near="5,52,3")
ranking = matcher.retrieve(stack, stack, stride=4, threads=1)
verdicts = matcher.verify(stack, stack, max_shift=4, value_range="dn")
shares = [found.change.shares() for found in matcher.change(stack, stack, result, bands=("r", "g", "b", "n"))]
counts = matcher.cut([stack], "folder", matcher.CutOptions(sky="clear", form="arrays"))
features = matcher.features(stack, stride=8).features
aligned = matcher.align("a.tif", "b.tif", count=100, transform="affine", evidence=("phase",), prior=0.9)
shift: float = aligned.accuracy()["rmse"].value
catalog = matcher.make_index("images.npy", "folder", [64], cut="pieces", threads=2)
score: matcher.Score = matcher.score(result, "answers.csv")
"""
WRONG = (
    ('matcher.match("i.npy", "p.npy", efort=2)', "efort"),
    ('matcher.match("i.npy", "p.npy", search="foo")', "foo"),
    ('matcher.match("i.npy", "p.npy", value_range="9bit")', "9bit"),
    ('matcher.match("i.npy", "p.npy", effort="much")', "effort|float"),
    ('matcher.Settings(search="foo")', "foo"),
    ('matcher.locate("c.tif", "s.tif", candidats=3)', "candidats"),
    ('matcher.retrieve("i.npy", "p.npy", search="foo")', "foo"),
    ('matcher.verify("p.npz", max_shift="far")', "max_shift|int"),
    ('matcher.change("i.npy", "p.npy", efort=1)', "efort"),
    ('matcher.cut("s.npz", "out", matcher.CutOptions(sky="blue"))', "blue"),
    ('matcher.features("s.npz", value_range="auto")', "auto"),
    ('matcher.align("a.tif", "b.tif", efort=2)', "efort"),
    ('matcher.align("a.tif", "b.tif", transform="bent")', "bent"),
    ('matcher.make_index("i.npy", "folder", [64], efort=2)', "efort"),
    ('matcher.make_index("i.npy", "folder", [64], cut="half")', "half"),
    ('matcher.mach("i.npy", "p.npy")', "mach"),
)


def mypy(script):
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--config-file=",
        script.name,
    ]
    return checked(command, script)


def pyright(script):
    return checked(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--level", "error", script.name],
        script,
    )


def checked(command, script):
    """Lines with an error, each with what is said of it."""
    root = str(Path(matcher.__file__).parents[1])
    done = subprocess.run(
        command,
        cwd=script.parent,
        env=os.environ | {"MYPYPATH": root, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    if "pyright" in command and "error:" not in done.stdout and "0 errors" not in done.stdout:
        pytest.skip(f"pyright does not run here: {done.stderr[-200:]}")
    said = {}
    for line, text in re.findall(rf"{script.name}:(\d+)[^ ]*(?: -)? error: (.*(?:\n    .*)*)", done.stdout):
        said[int(line)] = said.get(int(line), "") + text
    return said, done.stdout


needs_mypy = pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="needs mypy")
needs_pyright = pytest.mark.skipif(importlib.util.find_spec("pyright") is None, reason="needs pyright")


@pytest.mark.slow
@pytest.mark.parametrize(
    "checker", [pytest.param(mypy, marks=needs_mypy), pytest.param(pyright, marks=needs_pyright)]
)
class TestScripts:
    def test_right_calls_pass(self, tmp_path, checker):
        script = tmp_path / "right.py"
        script.write_text(RIGHT)
        said, output = checker(script)
        assert not said, output

    def test_wrong_calls_are_errors(self, tmp_path, checker):
        script = tmp_path / "wrong.py"
        script.write_text("\n".join(["import matcher", *(call for call, _ in WRONG)]) + "\n")
        said, output = checker(script)
        assert set(said) == {k + 2 for k in range(len(WRONG))}, output
        for k, (call, words) in enumerate(WRONG):
            assert re.search(words, said[k + 2]), (call, said[k + 2])


def test_keywords_are_the_fields():
    own = {field.name for field in fields(Settings)}
    assert set(MatchOptions.__annotations__) == own
    assert set(PictureOptions.__annotations__) < own
    assert set(LocateOptions.__annotations__) == own | {field.name for field in fields(Locating)}
    assert set(AlignOptions.__annotations__) == own | {field.name for field in fields(Aligning)}
    assert get_args(AlignOptions.__annotations__["transform"]) == ("auto", *KINDS)
