"""An edited kernel never runs from what was compiled before, and a run knows its kernels."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import matcher
from matcher import identity
from matcher.formats.fingerprint import differences
from matcher.kernels.sources import digest

LOW = """
from matcher.kernels.jit import kernel


@kernel()
def low(x):
    return x + {}
"""
HIGH = """
from matcher.kernels.jit import kernel
from matcher.kernels.probe_low import low


@kernel()
def high(x):
    return low(x) * 10.0
"""
ASK = """
import numba
numba.config.CACHE_DIR = {cache!r}
from matcher.kernels.probe_high import high
print(high(1.0), numba.config.CACHE_DIR == {cache!r})
"""


@pytest.fixture
def package(tmp_path):
    """A copy of the package with two kernels more, one of which calls the other."""
    home = Path(matcher.__file__).parent
    shutil.copytree(home, tmp_path / "matcher", ignore=shutil.ignore_patterns("__pycache__", "data"))
    (tmp_path / "matcher/kernels/probe_low.py").write_text(LOW.format("1.0"))
    (tmp_path / "matcher/kernels/probe_high.py").write_text(HIGH)
    return tmp_path


def python(folder, code):
    """What some code prints, word by word, where the package is the one in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.slow
def test_a_kernel_knows_those_that_it_calls(package, tmp_path):
    """The cache of other packages' kernels stays where it was."""
    cache = tmp_path / "cache"
    assert python(package, ASK.format(cache=str(cache))) == ["20.0", "True"]
    compiled = sorted(cache.rglob("*.nbc"))
    assert compiled
    assert python(package, ASK.format(cache=str(cache))) == ["20.0", "True"]
    assert sorted(cache.rglob("*.nbc")) == compiled
    low = package / "matcher/kernels/probe_low.py"
    before = low.stat()
    low.write_text(LOW.format("5.0"))
    os.utime(low, ns=(before.st_atime_ns, before.st_mtime_ns))  # as large and as old as before
    assert python(package, ASK.format(cache=str(cache))) == ["60.0", "True"]


def test_a_run_knows_its_kernels(monkeypatch):
    assert identity.versions()["kernels"] == digest()
    monkeypatch.setattr(identity, "digest", lambda: "another")
    assert differences({"kernels": digest()}, {"kernels": identity.versions()["kernels"]})


def test_the_digest_knows_every_byte_and_name(package):
    code = "from matcher.kernels.sources import digest; print(digest())"
    seen = set(python(package, code))
    low = package / "matcher/kernels/probe_low.py"
    low.write_text(low.read_text() + "#")
    seen |= set(python(package, code))
    low.rename(package / "matcher/kernels/probe_lower.py")
    seen |= set(python(package, code))
    assert len(seen) == 3
