"""What the tests of an index share."""

import numpy as np
import pytest

import matcher
from tests.runs_common import SIDE, pictures


@pytest.fixture(scope="module", autouse=True)
def one_core():
    """One thread: on a busy machine several wait for each other at every kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matcher.threads.usable_cores", lambda: 1)
        yield


@pytest.fixture(scope="module")
def made():
    """Images and patches of them, as arrays in [-1, 1]."""
    return pictures(images=5, patches=12, seed=3)


@pytest.fixture
def files(tmp_path, made):
    """The same as files: an archive of one array an image, named by ids from 100, and a stack of patches."""
    images, patches = made
    np.savez(tmp_path / "images.npz", **{str(100 + k): image for k, image in enumerate(images)})
    np.savez(tmp_path / "patches.npz", patches=np.stack(patches))
    return tmp_path / "images.npz", tmp_path / "patches.npz"


@pytest.fixture
def index(tmp_path, files):
    """The directory of an index of the images."""
    matcher.make_index(files[0], tmp_path / "index", [SIDE])
    return tmp_path / "index"
