"""What the tests of runs share."""

import pytest

import matcher
from tests.runs_common import expected_outputs, write_inputs


@pytest.fixture(scope="module")
def one_core():
    """One thread: on a busy machine several wait for each other at every kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matcher.threads.usable_cores", lambda: 1)
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Files of images and of patches."""
    return write_inputs(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    """What a run of them that nothing disturbs leaves."""
    return expected_outputs(tmp_path_factory.mktemp("whole"), *world)


@pytest.fixture(scope="module")
def answers(world):
    """What a match of them says."""
    return matcher.match(*world)
