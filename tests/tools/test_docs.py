"""The documents: built without warnings, their links and commands hold, the walk-through runs."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from matcher.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")


def test_commands_and_options_of_the_guide_exist():
    helps = {name: CliRunner().invoke(main, [name, "--help"]).output for name in COMMANDS}
    lines = [line for block in re.findall(r"```\n(.*?)```", GUIDE, re.S) for line in block.splitlines()]
    called = [line.split()[1] for line in lines if line.startswith("matcher ")]
    assert {"match", "score", "report", "locate"} <= set(called)
    assert set(called) <= set(COMMANDS)
    everything = "\n".join([*helps.values(), CliRunner().invoke(main, ["--help"]).output])
    for option in set(re.findall(r"`(--[a-z-]+)", GUIDE)):
        assert option in everything, option


def test_files_of_the_guide_exist():
    for path in re.findall(r"`(docs/[\w.]+|tools/[\w.]+)", GUIDE):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"python ((?:docs|tools)/[\w.]+)", GUIDE):
        assert (ROOT / path).exists(), path


@pytest.mark.skipif(importlib.util.find_spec("rasterio") is None, reason="needs the extra geo")
def test_walkthrough(tmp_path):
    command = [sys.executable, str(ROOT / "docs" / "walkthrough.py"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, check=True)
    assert "noise.tif: in none of these scenes" in done.stdout
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"places.geojson", "places.csv", "places.png", "found"} <= made


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("pdoc") is None, reason="needs the extra docs")
def test_reference_is_built_without_warnings(tmp_path):
    command = [sys.executable, str(ROOT / "tools" / "build_docs.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    page = (tmp_path / "matcher" / "locating" / "run.html").read_text(encoding="utf-8")
    assert "Find where chips lie in scenes" in page
    assert "Reading confidence" in (tmp_path / "guide.html").read_text(encoding="utf-8")
