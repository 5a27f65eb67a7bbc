"""What is loaded before the first answer: a chip among indexed images waits for little else."""

import subprocess
import sys

import numba
import numpy as np
from numba.np import arraymath, linalg

import matcher.kernels.jit  # noqa: F401 (has numba load its parts)

HEAVY = ("scipy.fft", "scipy.linalg", "scipy.ndimage", "scipy.special", "PIL.Image", "rasterio", "cv2")
SURE = """
import sys
import numpy as np
import matcher
files = sys.argv[1:3]
result = matcher.match(*files)
assert (result.x, result.y) == (40, 30) and result.confidence[0] > 0.9
print(*sorted(sys.modules))
"""


def test_a_sure_match_loads_no_more_than_it_needs(tmp_path):
    image = np.random.default_rng(0).integers(200, 3000, (160, 170, 4)).astype(np.uint16)
    np.savez(tmp_path / "images.npz", a=image)
    np.savez(tmp_path / "patches.npz", b=image[30:94, 40:104])
    files = [tmp_path / "images.npz", tmp_path / "patches.npz"]
    done = subprocess.run([sys.executable, "-c", SURE, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(done.stdout.split())


def test_kernels_of_others_multiply_matrices_all_the_same():
    assert linalg.ensure_blas is arraymath.ensure_blas
    assert linalg.ensure_blas.__module__ == linalg.__name__
    one, other = np.random.default_rng(0).normal(size=(2, 5, 5))
    np.testing.assert_allclose(numba.njit(lambda a, b: a @ b)(one, other), one @ other)
