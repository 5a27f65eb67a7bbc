"""One way to compile a kernel: cached in the user's own cache folder, and working where that cannot be."""

import contextlib
import os
import typing
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
            compiled: Any = numba.njit(cache=True, **options)(function)
            compiled._cache = _Forgiving(compiled._cache)
        except (RuntimeError, OSError):  # no folder to cache in
            compiled = numba.njit(**options)(function)
        return typing.cast(Callable[..., Any], compiled)

    return compile_lazily


class _Forgiving:
    """A kernel's cache on disk that is passed over and begun anew where it cannot be read (numba #9348)."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, signature: Any, context: Any) -> Any:
        try:
            return self._cache.load_overload(signature, context)
        except Exception:  # a damaged pickle raises nearly anything
            with contextlib.suppress(Exception):
                self._cache.flush()
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        with contextlib.suppress(Exception):
            self._cache.save_overload(signature, data)
