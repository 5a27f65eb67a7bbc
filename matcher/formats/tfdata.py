"""Images, patches and training series as ``tf.data.Dataset``, for learned methods; needs TensorFlow.

They are read by the package's own readers, so that every form of file serves, and a bad record is named by
file and offset before the first element is handed out. Install the extra ``tensorflow`` to use this module.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from matcher.errors import MatcherError
from matcher.formats.base import Source
from matcher.formats.official import OfficialSeries
from matcher.formats.opening import What, open_images, open_patches, open_series
from matcher.version import install_command


def images(what: What, *, dtype: DTypeLike = "float32", shuffle: int | None = None, **options: Any) -> Any:
    """Images as a dataset.

    Parameters
    ----------
    what, **options
        As for `matcher.formats.open_images`.
    dtype : dtype
        Pictures are cast to this.
    shuffle : int, optional
        A seed: all pictures in another order each epoch. The order is drawn before anything is read, so it
        costs no memory. By default the order is that of the file.

    Returns
    -------
    tf.data.Dataset
        Of ``{"id": int64, "image": dtype (height, width, bands)}``; sizes are static where all agree.

    Raises
    ------
    MatcherError
        If TensorFlow is not installed, and as `matcher.formats.open_images`.
    """
    _tensorflow()
    return _pictures(open_images(what, **options), "image", dtype, shuffle)


def patches(what: What, *, dtype: DTypeLike = "float32", shuffle: int | None = None, **options: Any) -> Any:
    """Patches as a dataset of ``{"id": …, "patch": …}``; everything as in `images`."""
    _tensorflow()
    return _pictures(open_patches(what, **options), "patch", dtype, shuffle)


def series(what: Any, *, dtype: DTypeLike = "float32", shuffle: int | None = None, **options: Any) -> Any:
    """Training series as a dataset of arrays (dates, height, width, bands).

    Takes what `matcher.formats.open_series` takes; `dtype` and `shuffle` are as in `images`.
    """
    _tensorflow()
    source = open_series(what, **options)
    return _indices(len(source), shuffle).map(_reader(source, dtype), **_parallel())


def _tensorflow() -> Any:
    try:
        import tensorflow
    except ImportError as error:
        raise MatcherError(
            f"TensorFlow cannot be loaded ({error}): {install_command('tensorflow')}"
        ) from None
    return tensorflow


def _pictures(source: Source, name: str, dtype: DTypeLike, shuffle: int | None) -> Any:
    ids = _tensorflow().constant(source.ids)
    read = _reader(source, dtype)
    return _indices(len(source), shuffle).map(lambda k: {"id": ids[k], name: read(k)}, **_parallel())


def _indices(count: int, shuffle: int | None) -> Any:
    indices = _tensorflow().data.Dataset.range(count)
    return indices if shuffle is None else indices.shuffle(count, seed=shuffle, reshuffle_each_iteration=True)


def _parallel() -> dict[str, Any]:
    return {"num_parallel_calls": _tensorflow().data.AUTOTUNE, "deterministic": True}


def _reader(source: Source | OfficialSeries, dtype: DTypeLike) -> Any:
    """A function of TensorFlow from an index to the pixels, of as much static shape as all have in common."""
    tf = _tensorflow()
    wanted = np.dtype(dtype)
    shape = _common([source.shape(k) for k in range(len(source))])

    def read(index: Any) -> Any:
        pixels = tf.numpy_function(
            lambda k: source[int(k)].astype(wanted), [index], tf.as_dtype(wanted), stateful=False
        )
        pixels.set_shape(shape)
        return pixels

    return read


def _common(shapes: Sequence[tuple[int, ...]]) -> list[int | None]:
    """Each axis' size, or None where it differs."""
    return [sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*shapes, strict=True)]
