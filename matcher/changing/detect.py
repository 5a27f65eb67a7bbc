"""The change between a patch and the window found for it: score, classes, and what was removed before."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matcher.changing.align import gains, moved, rest_shift
from matcher.changing.sky import cloud_and_shadow
from matcher.changing.terms import NAMES, terms
from matcher.errors import MatcherError, SettingsError
from matcher.imagery import Roles
from matcher.values import compared
from matcher.verification.logistic import Logistic, probability, shipped

CLASSES = ("same", "changed", "cloud", "shadow", "no data")
PRIOR = 0.05  # the share of changed pixels that is expected


@compared
@dataclass(frozen=True)
class Change:
    """What changed between a patch and a window.

    Attributes
    ----------
    score : ndarray of float32, (height, width)
        Probability that the ground of a pixel changed, 0..1; 0 under cloud and shadow and where there is no data.
    kind : ndarray of uint8, (height, width)
        Index into `CLASSES`.
    shift : (float, float)
        (dy, dx), px: the patch's pixel (y, x) lies on (y + dy, x + dx) of the window.
    gain, offset : ndarray of float64, (bands,)
        Of the line patch = gain x window + offset, by band.
    patch, window : ndarray of float32, (height, width, bands)
        DN; the window moved onto the patch.
    """

    score: NDArray[np.float32]
    kind: NDArray[np.uint8]
    shift: tuple[float, float]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    patch: NDArray[np.float32]
    window: NDArray[np.float32]

    def shares(self) -> dict[str, float]:
        """The share of every class."""
        counts = np.bincount(self.kind.ravel(), minlength=len(CLASSES))
        return {name: float(n / self.kind.size) for name, n in zip(CLASSES, counts, strict=True)}


def find_change(
    patch: NDArray[np.float32],
    image: NDArray[np.float32],
    corner: tuple[int, int],
    roles: Roles,
    *,
    threshold: float = 0.5,
    prior: float = PRIOR,
    model: Logistic | None = None,
) -> Change:
    """The change between a patch and where it was found.

    Parameters
    ----------
    patch, image : ndarray (height, width, bands), float32
        DN; 0 in all bands is no data.
    corner : (int, int)
        Row and column of the patch's top-left pixel in the image.
    roles : Roles
    threshold : float
        From which score on a pixel counts as changed.
    prior : float
        The share of changed pixels that is expected, in (0, 1).
    model : Logistic, optional
        Weights of `matcher.changing.terms.NAMES`; the shipped ones by default.

    Raises
    ------
    MatcherError
        If the patch does not lie in the image, the bands differ, or an option is out of its range.
    """
    if not 0 < prior < 1 or not 0 <= threshold <= 1:
        raise SettingsError(f"threshold {threshold}, prior {prior}: give shares between 0 and 1")
    size = patch.shape[:2]
    inside = all(0 <= at <= whole - n for at, whole, n in zip(corner, image.shape[:2], size, strict=True))
    if not inside or patch.shape[2] != image.shape[2]:
        raise MatcherError(
            f"a patch of {patch.shape} at row {corner[0]}, column {corner[1]} does not lie in an image of {image.shape}"
        )
    as_found = image[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
    shift = rest_shift(patch, as_found, roles)
    window = moved(image, corner, size, shift)
    valid = np.logical_and((patch > 0).any(-1), (window > 0).any(-1))
    cloud, shadow = cloud_and_shadow(patch, window, valid, roles)
    clear = valid & ~cloud & ~shadow
    found = terms(patch, window, clear)
    odds = (model or shipped("change")).log_odds(found.reshape(-1, len(NAMES))).reshape(size)
    score = np.where(clear, probability(odds, prior), 0).astype(np.float32)
    kind = (score >= threshold).astype(np.uint8) * clear
    for number, where in ((2, cloud), (3, shadow), (4, ~valid)):
        kind[where] = number
    gain, offset = gains(patch, window, clear)
    return Change(score, kind.astype(np.uint8), shift, gain, offset, patch, window)
