"""What a fit is asked to do."""

import functools
from dataclasses import dataclass

from matcher import checks
from matcher.settings import MIN_SIDE, SeriesOptions, Settings

_SIDES = f"one or more sizes of {MIN_SIDE} px or more, none of them twice"


@dataclass(frozen=True)
class FitOptions(SeriesOptions):
    """How a model is fitted, to series as `matcher.settings.SeriesOptions` say.

    Attributes
    ----------
    sides : tuple of int
        Pixels a side of the patches it is to serve.
    rounds : int
        How often patches are cut from all series and sought, for each side and choice of bands; with 0 the trust in a
        score stays that of the model that ships.
    bands : tuple of str, optional
        Their names; by default as `matcher.Settings.band_names`.
    seed : int
    threads : int, optional
    memory : int
        Of the matches, bytes.
    """

    sides: tuple[int, ...] = (128, 64, 32, 24)
    rounds: int = 2
    bands: tuple[str, ...] | None = None
    seed: int = 0
    threads: int | None = None
    memory: int = Settings.memory

    def __post_init__(self) -> None:
        super().__post_init__()
        settle = functools.partial(object.__setattr__, self)
        settle("sides", checks.wholes("sides", self.sides, _SIDES, least=MIN_SIDE))
        if not self.sides or len(set(self.sides)) < len(self.sides):
            raise checks.refusal("sides", self.sides, _SIDES)
        for field in ("rounds", "seed"):
            settle(field, checks.whole(field, getattr(self, field)))
        # What a match of these would refuse is refused before hours of fitting.
        asked = Settings(bands=self.bands, threads=self.threads, memory=self.memory)
        for field in ("bands", "threads", "memory"):
            settle(field, getattr(asked, field))
