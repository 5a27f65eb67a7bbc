"""Every kernel is machine code for aarch64 too, by the LLVM that numba makes of it here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("cross.py")


def can_cross():
    import llvmlite.binding as llvm

    try:
        llvm.initialize_all_targets()
        llvm.Target.from_triple("aarch64-unknown-linux-gnu")
    except RuntimeError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(not can_cross(), reason="this llvmlite makes no code for aarch64")
def test_kernels_compile_for_aarch64(tmp_path):
    root = os.pathsep.join(filter(None, [str(PROGRAM.parents[2]), os.environ.get("PYTHONPATH", "")]))
    # A cache of its own: of what is read back from one, numba keeps the machine code and no LLVM.
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(tmp_path),
        "NUMBA_CPU_NAME": "generic",
        "PYTHONPATH": root,
    }
    command = [sys.executable, str(PROGRAM)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr
    said = [line.split(": ", 1) for line in done.stdout.splitlines()]
    assert len({name for name, _ in said}) >= 30
    assert not [(name, what) for name, what in said if not what.isdigit() or int(what) < 500]
