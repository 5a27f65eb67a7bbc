"""In which order targets are worth a long look: by colour and texture level, the likest first."""

from collections.abc import Sequence
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from matcher.evidence.colour import NOISE, whitened, whitened_windows
from matcher.evidence.pixels import HAZE, seen_pixels
from matcher.imagery import Roles
from matcher.kernels.promise import nearest_windows
from matcher.model import Model
from matcher.search.pyramid.index import Index, Layout
from matcher.search.task import Task
from matcher.threads import spread

_TOGETHER = 16  # targets compared in one call


class Promise:
    """How unlike a patch every target's likest window is.

    Parameters
    ----------
    index : Index
        Holds the statistics of the targets' windows (`matcher.evidence.colour`).
    bands : sequence of str
        Names of the bands.
    model : Model
        Its covariance says how statistics of one place differ from date to date. Bands that it does not know say
        nothing; where it knows none, all differences count alike.
    """

    def __init__(self, index: Index, bands: Sequence[str], model: Model) -> None:
        count = index.colour.shape[1] // 2
        known = [k for k, name in enumerate(bands) if name in model.colour.bands]
        if known:
            rows = [model.colour.bands.index(bands[k]) for k in known]
            chosen = rows + [len(model.colour.bands) + k for k in rows]
            within = model.colour.within[np.ix_(chosen, chosen)]
        else:
            known = list(range(count))
            within = np.eye(2 * count)
        self._columns = known + [count + k for k in known]
        self._whiten = np.linalg.inv(np.linalg.cholesky(within)).T
        self._starts = index.colour_starts
        self._pixels = index.shapes.prod(1)
        self._windows = whitened_windows(index.colour, self._columns, self._whiten)

    def before(self, distances: NDArray[np.float32]) -> NDArray[np.float64]:
        """The share of all targets' pixels that lies in targets likelier than each, 0 for the likest of a patch.

        `distances` (patches, targets) are what `distances` gave; so are the shares.
        """

        def share(own: NDArray[np.float32]) -> NDArray[np.float64]:
            order = likest_first(own)
            area = np.cumsum(self._pixels[order])
            out = np.empty(len(order))
            out[order] = (area - self._pixels[order]) / area[-1]
            return out

        return np.stack(spread(share, distances))

    def distances(self, patches: Sequence[NDArray[np.float32]], roles: Roles) -> NDArray[np.float32]:
        """Squared Mahalanobis distances of patches (DN) to the likest window of every target: (patches, targets)."""
        return self.nearest(spread(lambda dn: seen_statistics(dn, roles), patches))

    def nearest(self, statistics: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """The same of patches whose `seen_statistics` are known, `statistics` (2 bands,) each."""
        own = whitened(np.stack(statistics), self._columns, self._whiten)
        out = np.empty((len(own), len(self._starts) - 1), np.float32)
        lots = [slice(start, start + _TOGETHER) for start in range(0, out.shape[1], _TOGETHER)]

        def some(lot: slice) -> None:
            nearest_windows(self._windows, self._starts[lot.start : lot.stop + 1], own, out[:, lot])

        spread(some, lots)
        return out


def likest_first(distances: NDArray[np.float32]) -> NDArray[np.int64]:
    """Targets by their distances (…, targets), the least first."""
    return np.argsort(distances, kind="stable")


@singledispatch
def promise_of(index: Layout, task: Task) -> Promise:
    """The promise of the targets of an index."""
    assert isinstance(index, Index)
    return Promise(index, task.bands, task.model)


def seen_statistics(dn: NDArray[np.float32], roles: Roles) -> NDArray[np.float32]:
    """Logs of the bands' means and deviations over what no cloud hides of a patch, `dn` (height, width, bands).

    (2 bands,): of means in DN, and then of deviations.
    """
    values = dn[seen_pixels(dn, roles)].astype(np.float64)
    if not len(values):
        values = dn.reshape(-1, dn.shape[2]).astype(np.float64)
    means = np.log(np.maximum(values.mean(0), 0) + HAZE)
    return np.concatenate([means, np.log(values.std(0) + NOISE)]).astype(np.float32)
