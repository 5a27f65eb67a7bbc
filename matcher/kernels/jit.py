"""One way to compile a kernel: cached in the user's own cache folder, and working where that cannot be."""

import os
from collections.abc import Callable
from typing import Any

import platformdirs

# Before numba is imported: next to the package the cache fails in read-only installs and races on network file
# systems (numba #4032, #10128).
os.environ.setdefault("NUMBA_CACHE_DIR", platformdirs.user_cache_dir("matcher-numba", appauthor=False))

import numba

# What may be assumed of floats: sums reordered and contracted, never "there is no NaN" (nnan, ninf), since that
# would make the checks for it vanish.
REORDER = {"reassoc", "contract", "nsz"}


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`numba.njit` with a cache on disk where there is one, without it otherwise."""

    def compile_lazily(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            compiled: Callable[..., Any] = numba.njit(cache=True, **options)(function)
        except (RuntimeError, OSError):  # no folder to cache in
            compiled = numba.njit(**options)(function)
        return compiled

    return compile_lazily
