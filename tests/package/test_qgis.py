"""The script for QGIS, run by a real headless QGIS, and the style beside places, read by it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import matcher
from tests.formats.test_rasters import write
from tests.locating.test_locate import ground, other_date

ROOT = Path(__file__).parents[2]
# Debian's `qgis_process` hands on options of `qgis` that it does not know; the program itself is beside it.
QGIS = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(QGIS is None, reason="no QGIS on this machine")]
STYLE = """
import json, sys
from qgis.core import QgsApplication, QgsVectorLayer
app = QgsApplication([], False)
app.initQgis()
layer = QgsVectorLayer(sys.argv[1], "places", "ogr")
message, good = layer.loadDefaultStyle()
rules = layer.renderer().rootRule().children() if layer.renderer().type() == "RuleRenderer" else []
print(json.dumps([layer.isValid(), good, [rule.label() for rule in rules], layer.featureCount()]))
"""


def environment(home):
    """That of a user of the system's own Python and QGIS."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "QGIS"))}
    return kept | {
        "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen",
    }  # fmt: skip


@pytest.fixture
def home(tmp_path):
    """A home with the script in its toolbox, and a command that is this checkout's matcher."""
    scripts = tmp_path / ".local/share/QGIS/QGIS3/profiles/default/processing/scripts"
    scripts.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "qgis" / "matcher_locate.py", scripts)
    command = tmp_path / "matcher"
    root = Path(matcher.__file__).parents[1]
    cache = os.environ.get("NUMBA_CACHE_DIR", tmp_path / "numba")
    command.write_text(
        f'#!/bin/sh\nNUMBA_CACHE_DIR="{cache}" PYTHONPATH="{os.pathsep.join([str(root), *sys.path])}" '
        f'exec "{sys.executable}" -m matcher "$@"\n'
    )
    command.chmod(0o755)
    land = ground(300, 320)
    write(tmp_path / "scene.tif", land, nodata=0)
    for name, row, col in (("a", 101, 155), ("b", 20, 40)):
        write(tmp_path / f"{name}.tif", other_date(land)[row : row + 48, col : col + 48], nodata=0)
    return tmp_path


def qgis(home, *arguments):
    return subprocess.run(
        [QGIS, *map(str, arguments)], env=environment(home), cwd=home, capture_output=True, text=True,
        timeout=500, check=False,
    )  # fmt: skip


def test_the_script_calls_the_command(home):
    given = [f"CHIPS={home / 'a.tif'}", f"CHIPS={home / 'b.tif'}", f"SCENES={home / 'scene.tif'}"]
    given += [f"COMMAND={home / 'matcher'}", "OPTIONS=--evidence phase", f"OUTPUT={home / 'places.gpkg'}"]
    done = qgis(home, "run", "script:matcherlocate", "--", *given, f"REPORT={home / 'page.html'}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 chips found" in done.stdout
    assert (home / "page.html").stat().st_size > 1000
    seen = subprocess.run(
        ["/usr/bin/python3", "-c", STYLE, str(home / "places.gpkg")], env=environment(home), capture_output=True,
        text=True, timeout=300, check=True,
    )  # fmt: skip
    valid, styled, labels, count = json.loads(seen.stdout.splitlines()[-1])
    assert valid
    assert styled
    assert labels == ["0.9 and above", "0.5 to 0.9", "below 0.5", "other candidates"]
    assert count == 2


def test_what_the_command_says_is_shown(home):
    given = [f"CHIPS={home / 'a.tif'}", f"SCENES={home / 'scene.tif'}", f"OUTPUT={home / 'p.gpkg'}"]
    done = qgis(
        home, "run", "script:matcherlocate", "--", *given, f"COMMAND={home / 'matcher'}", "OPTIONS=--efort 2"
    )
    assert done.returncode != 0
    assert "No such option" in done.stdout + done.stderr
    done = qgis(home, "run", "script:matcherlocate", "--", *given, f"COMMAND={home / 'none'}")
    assert "cannot be started" in done.stdout + done.stderr
