"""Chips of the real places located in mosaics of another date: the figures that the guide gives hold."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rasterio")
ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("MATCHER_DATA") or ROOT.parent / "shared" / "data")


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not (DATA / "places").is_dir(), reason="needs the real places")
def test_figures():
    command = [sys.executable, str(ROOT / "tools" / "measure_locate.py"), "--data", str(DATA)]
    more = ["--chips", "2", "--seed", "101"]
    done = subprocess.run(
        [*command, *more], capture_output=True, text=True, timeout=900, cwd=ROOT, check=True
    )
    row = re.search(r"\| all \| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", done.stdout)
    assert row, done.stdout
    chips, sure, within, error = int(row[1]), *(float(value) for value in row.groups()[1:])
    assert chips == 96
    assert sure >= 0.85
    assert within >= 0.98
    assert error < 0.25
