"""One way to compile a kernel: cached in the user's own cache folder, and working where that cannot be.

numba compiles a kernel anew where its own file was changed, and not where one that it calls was. So compiled kernels
lie in a folder by the digest of all their sources: an edited kernel never runs from the cache of another.
"""

import contextlib
import os
import typing
from collections.abc import Callable, Iterator
from typing import Any

import numba
import platformdirs

from matcher.kernels.sources import digest

# What may be assumed of floats: sums reordered and contracted, never "there is no NaN" (nnan, ninf), since that
# would make the checks for it vanish.
REORDER = {"reassoc", "contract", "nsz"}


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`numba.njit` with a cache on disk where there is one, without it otherwise."""

    def compile_lazily(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            with _cache_folder():
                compiled: Any = numba.njit(cache=True, **options)(function)
            compiled._cache = _Forgiving(compiled._cache)
        except (RuntimeError, OSError):  # no folder to cache in
            compiled = numba.njit(**options)(function)
        return typing.cast(Callable[..., Any], compiled)

    return compile_lazily


@contextlib.contextmanager
def _cache_folder() -> Iterator[None]:
    """Within, numba takes the folder of this package's kernels; other packages' keep theirs.

    It is in `NUMBA_CACHE_DIR` where that is set, else in the user's cache: next to the package the cache fails in
    read-only installs and races on network file systems (numba #4032, #10128).
    """
    before = numba.config.CACHE_DIR
    base = before or platformdirs.user_cache_dir("matcher-numba", appauthor=False)
    numba.config.CACHE_DIR = os.path.join(base, digest())
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


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
