"""Types that every room may use."""

import os
from collections.abc import Callable

AnyPath = str | os.PathLike[str]
Progress = Callable[[int, int], None]
"""Called with what is done and what there is in all, now and then."""
Advance = Callable[[int], None]
"""Called with how much more is done."""
