"""One way to compile a kernel: cached in the user's own cache folder, and working where that cannot be.

numba compiles a kernel anew where its own file was changed, and not where one that it calls was. So compiled kernels
lie in a folder by the digest of all their sources: an edited kernel never runs from the cache of another.

Kernels copy arrays to parts of others by loops. An assignment is compiled with the words of the error that says that
shapes differ, which takes seconds more.
"""

import contextlib
import functools
import logging
import os
import typing
from collections.abc import Callable, Iterator
from typing import Any

import numba
import platformdirs
from numba.core.cpu_options import ParallelOptions

from matcher.kernels.sources import digest

log = logging.getLogger("matcher")

# What may be assumed of floats: sums reordered and contracted, never "there is no NaN" (nnan, ninf), since that
# would make the checks for it vanish.
REORDER = {"reassoc", "contract", "nsz"}

# In a parallel kernel the loops that say so run in threads, and no others: what `parallel=True` else looks for, to make
# loops of and to join, is not there, and takes numba a fifth of the time in which all kernels are compiled. Not as a
# dict, as numba documents it: it takes out what it reads, and has nothing left for a kernel's second signature.
_LOOPS = ParallelOptions(False)
_LOOPS.enabled = _LOOPS.prange = True


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`numba.njit` with a cache on disk where there is one, without it otherwise; `parallel` is of `prange` alone."""
    if options.get("parallel"):
        options["parallel"] = _LOOPS

    def compile_lazily(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            with _cache_folder():
                compiled: Any = numba.njit(cache=True, **options)(function)
            compiled._cache = _Forgiving(compiled._cache)
        except (RuntimeError, OSError):  # no folder to cache in
            compiled = numba.njit(**options)(function)
        return typing.cast(Callable[..., Any], compiled)

    return compile_lazily


def _load_numba() -> None:
    """Have numba load what its kernels are made of, but not scipy.linalg, which takes a quarter of a second.

    It looks there and then whether there is a BLAS, in case a kernel multiplies matrices. None does here, and this
    package needs scipy, so that the answer is known. Where somebody's kernel does, numba looks again.
    """
    with contextlib.suppress(ImportError, AttributeError):  # another numba may be made otherwise
        from numba.np import linalg

        look = linalg.ensure_blas
        linalg.ensure_blas = lambda: None
        try:
            from numba.np import arraymath

            arraymath.ensure_blas = look
        finally:
            linalg.ensure_blas = look


_load_numba()


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


@functools.cache
def _tell_compiling() -> None:
    """Say, once a process, why nothing seems to happen for a while."""
    log.info(
        "compiling for this processor, which is kept for later runs: a first one takes up to a minute more"
    )


class _Forgiving:
    """A kernel's cache on disk that is passed over and begun anew where it cannot be read (numba #9348)."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, signature: Any, context: Any) -> Any:
        found = None
        try:
            found = self._cache.load_overload(signature, context)
        except Exception:  # a damaged pickle raises nearly anything
            with contextlib.suppress(Exception):
                self._cache.flush()
        if found is None:
            _tell_compiling()
        return found

    def save_overload(self, signature: Any, data: Any) -> None:
        with contextlib.suppress(Exception):
            self._cache.save_overload(signature, data)
