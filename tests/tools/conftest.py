"""What tests of `tools/` share."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool(request):
    """The script of `tools/` that a module names by `TOOL`, with those beside it and in `docs/` at hand."""
    with pytest.MonkeyPatch.context() as patch:
        for folder in ("docs", "tools"):
            patch.syspath_prepend(str(ROOT / folder))
        yield importlib.import_module(request.module.TOOL)
