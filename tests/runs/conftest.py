"""What the tests of runs share."""

import pytest


@pytest.fixture(scope="module")
def one_core():
    """One thread: on a busy machine several wait for each other at every kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matcher.threads.usable_cores", lambda: 1)
        yield
