"""Why an answer is in doubt, as one word: by the patch's own pixels, by the two best places, by the place found."""

import numpy as np
from numpy.typing import NDArray

from matcher.decision.content import CEILING, Content
from matcher.evidence.pixels import white_pixels
from matcher.imagery import Roles
from matcher.result import SURE

CODES = ("nodata", "saturated", "clouded", "flat", "stripes", "ambiguous", "weak")
BLIND = ("nodata", "saturated", "clouded")  # faults that hide a patch's own colour
IN_DOUBT = SURE  # an answer that is less sure has a reason; one that is surer, where its patch has a fault

_NO_DATA = 0.25  # share of pixels
_SATURATED = 0.5  # share of pixels at the ceiling in all bands
_CLOUDED = 0.3  # share of pixels that are bright and white
_FAINT = 25.0  # DN a pixel: what sensors' noise and single steps of 8 bit make of even ground
_FLAT = 0.5  # share of pixels whose gradient is fainter in all bands
_ONE_WAY = 0.2  # of the pixels with an edge, the share of independent ones that stripes and waves stay below
_WORDY = 0.3  # of all pixels, the share of independent ones above which a patch has enough to say
_TWIN = 1.6  # the best place's score, over the second's, of a clear lead


def fault(dn: NDArray[np.float32], roles: Roles) -> str:
    """What keeps a picture from being placed, by its pixels alone.

    Parameters
    ----------
    dn : ndarray (height, width, bands), float32
        Reflectance x 10,000; a pixel of 0 in all bands is no data.
    roles : Roles

    Returns
    -------
    str
        ``nodata``: a quarter of it and more holds no data. ``saturated``: half of it is at the ceiling in all bands.
        ``clouded``: 30 % is bright and white, as clouds are, and snow and bare bright ground. ``flat``: half of it is
        without a gradient above noise. Empty where it is none of these. The first that holds. ``stripes``, which its
        edges tell (`one_way`), is not looked for here.
    """
    empty = np.all(dn <= 0, axis=-1)
    held = max(empty.size - int(empty.sum()), 1)
    if empty.mean() >= _NO_DATA:
        return "nodata"
    top = dn.min(-1) >= CEILING
    if top.sum() / held >= _SATURATED:
        return "saturated"
    if white_pixels(dn, roles).sum() / held >= _CLOUDED:
        return "clouded"
    down, right = np.abs(np.diff(dn, axis=0))[:, :-1], np.abs(np.diff(dn, axis=1))[:-1]
    return "flat" if (np.maximum(down, right).max(-1) <= _FAINT).mean() >= _FLAT else ""


def fault_of_little(dn: NDArray[np.float32], roles: Roles, said: Content) -> str:
    """The reason that a sure answer is given because its patch has little to say; empty where it has enough."""
    return (fault(dn, roles) or one_way(said)) if has_little(said) else ""


def has_little(said: Content) -> bool:
    """Whether a patch has less to say than ground of any texture has."""
    return said.independent < _WORDY * said.pixels


def one_way(said: Content) -> str:
    """``stripes`` where most edges of a patch run one way, as those of waves, rows and a sensor's stripes do."""
    return "stripes" if said.edges and said.independent < _ONE_WAY * said.edges else ""


def is_twin(score: float, runner_up: float, chance: float) -> bool:
    """Whether the second best place stands out from chance and is nearly as good as the best."""
    return runner_up >= chance and score < _TWIN * runner_up


def reason(
    patch: NDArray[np.float32],
    window: NDArray[np.float32] | None,
    roles: Roles,
    said: Content,
    score: float,
    runner_up: float,
    chance: float,
) -> str:
    """The reason of one answer that is in doubt.

    Parameters
    ----------
    patch : ndarray (height, width, bands), float32
        DN.
    window : ndarray (height, width, bands), optional
        What the target shows at the answer, DN; None where there is no answer.
    roles : Roles
    said : Content
        Of the patch.
    score, runner_up : float
        Of the best place and of the best other one, as in `matcher.search.candidates.Candidates`.
    chance : float
        What wrong places score (`matcher.decision.confidence.chance_level`).

    Returns
    -------
    str
        One of `CODES`: the patch's own `fault`; ``ambiguous`` where a second place, in the same target or another, is
        nearly as good; ``stripes`` where most of its edges run one way; the fault of the
        window, if that is no data, saturation or cloud; otherwise ``weak``: no place stands out from chance, since the
        ground has changed much, or is in none of the targets.
    """
    own = fault(patch, roles)
    if own or is_twin(score, runner_up, chance):
        return own or "ambiguous"
    if ways := one_way(said):
        return ways
    there = "" if window is None else fault(window, roles)
    return there if there in CODES[:3] else "weak"
