"""What colour and texture level say of a place: water is not wood, however little either has to hold on to.

A window is described by the logs of every band's mean and deviation. How these differ between two dates of one place,
and between different places, was fitted to real places as two covariances (within-class and between-class covariance,
as in linear discriminant analysis: Fisher 1936; Hatch et al., "Within-class covariance normalization", 2006), with
Student's t for the tails of both. Their ratio is how much likelier a patch is to lie at a window than anywhere. Places
that were not fitted change in other ways, so its root is taken: a likelihood that may be wrong is raised to a power
below 1 (Grünwald, "The safe Bayesian", ALT 2012).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from matcher.evidence.colour import whitened, whitened_windows
from matcher.kernels.colour import densities
from matcher.model import ColourModel

FREEDOM = 10.0  # of Student's t; even, so that the ratio of densities is a whole power
LEAST = 0.03  # the chance that colour says nothing of a place: snow, a cloud, burnt or flooded land


class Colours:
    """All windows of some targets, ready to be compared with patches.

    Parameters
    ----------
    values : ndarray (windows, 2 bands), float32
        `statistics` of all targets, one after another.
    starts : ndarray of int64, (targets + 1,)
        Where each target's begin, and the end.
    bands : sequence of str
        Names of the bands.
    model : ColourModel
    """

    def __init__(
        self,
        values: NDArray[np.float32],
        starts: NDArray[np.int64],
        bands: Sequence[str],
        model: ColourModel,
    ) -> None:
        known = [k for k, name in enumerate(bands) if name in model.bands]
        rows = [model.bands.index(bands[k]) for k in known]
        self._columns = known + [len(bands) + k for k in known]
        chosen = np.array(rows + [len(model.bands) + k for k in rows], np.int64)
        parts = [np.linalg.cholesky(m[np.ix_(chosen, chosen)]) for m in (model.within, model.apart)]
        self._whiten = [np.linalg.inv(part).T for part in parts]
        self._scale = float(np.prod(np.diag(parts[1]) / np.diag(parts[0])))
        self._power = int(FREEDOM + len(chosen)) // 2
        self._values = [whitened_windows(values, self._columns, m) for m in self._whiten]
        self.starts = starts
        self.known = bool(known)

    def density(self, patch: NDArray[np.float32]) -> NDArray[np.float64]:
        """How much likelier a patch of these statistics (2 bands,) lies at each window than anywhere: (windows,).

        The root of the ratio of the two densities.
        """
        own = [whitened(patch[np.newaxis], self._columns, m)[0] for m in self._whiten]
        out = np.empty(self._values[0].shape[1])
        densities(*self._values, *own, self._scale, FREEDOM, self._power, LEAST, out)
        np.sqrt(out, out=out)
        return out
