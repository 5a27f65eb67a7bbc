"""Where the real places are, for tests marked `data`."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("MATCHER_DATA", Path(__file__).parents[2] / "shared" / "data"))

needs_data = [
    pytest.mark.data,
    pytest.mark.skipif(not (DATA / "places").is_dir(), reason="the real places are not here"),
]
