"""What a search is given: the pictures of both sides, and how to compare them."""

from dataclasses import dataclass

from matcher.imagery import Pictures, Roles
from matcher.model import Model


@dataclass(frozen=True)
class Task:
    """A search of some targets for patches.

    Attributes
    ----------
    targets, patches : Pictures
    roles : Roles
    evidence : tuple of str
        Keys of `matcher.settings.EVIDENCE`.
    model : Model
    keep : int
        Targets kept a patch.
    effort : float
        Multiplies how much the pyramid searches.
    memory : int
        Bytes that the search may take.
    bands : tuple of str
        Names of the bands.
    """

    targets: Pictures
    patches: Pictures
    roles: Roles
    evidence: tuple[str, ...]
    model: Model
    keep: int
    effort: float
    memory: int
    bands: tuple[str, ...]
