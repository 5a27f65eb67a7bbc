"""Local histograms of the bands as evidence: an example of a method of one's own, for ``--evidence histograms``.

A picture's bands are ranked within the picture, so that gain and offset do not matter, and sorted into soft bins; the
share of each bin over 13 x 13 px is a field. Two windows are alike where the same shares lie at the same places.
"""

import numpy as np
from scipy import ndimage

from matcher.evidence import Channel

BINS = 6
REACH = 6  # px: the means are over 13 x 13


def histograms(dn, valid, _roles):
    """Evidence as `matcher.evidence.kind` describes it.

    Parameters
    ----------
    dn : ndarray (height, width, bands), float32
        Reflectance x 10,000.
    valid : ndarray (height, width), bool
    _roles : matcher.imagery.Roles

    Returns
    -------
    list of Channel
        One, of bands x bins fields.
    """
    fields = []
    for band in np.moveaxis(dn, -1, 0):
        spread = np.sort(band[valid]) if valid.any() else np.zeros(1)
        # Ranks against the picture itself: a patch and its image are ranked alike where they hold the same covers.
        rank = np.searchsorted(spread, band) / len(spread) * (BINS - 1)
        for k in range(BINS):
            near = np.maximum(1 - np.abs(rank - k), 0) * valid
            fields.append(ndimage.uniform_filter(near, 2 * REACH + 1, mode="nearest"))
    return [Channel("histograms", (np.stack(fields).astype(np.float32),), centred=True, weight=1.0)]
