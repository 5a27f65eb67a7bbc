"""What is cut, and from what."""

import functools
from dataclasses import dataclass
from typing import Literal, get_args

from matcher import checks
from matcher.errors import SettingsError
from matcher.settings import SeriesOptions

Sky = Literal["any", "clear", "cloudy"]
Form = Literal["official", "arrays"]
SKIES: tuple[Sky, ...] = get_args(Sky)
FORMS: tuple[Form, ...] = get_args(Form)
_DATES = "the numbers of two dates or more, from 0 up"
_GAP = "the least and the most, two whole numbers from 0 up"


@dataclass(frozen=True)
class CutOptions(SeriesOptions):
    """What is cut, of series as `matcher.settings.SeriesOptions` say.

    Attributes
    ----------
    patches : int
        An image.
    side, largest : int
        Pixels a side of a patch, and at most of an image; larger ones are cut into square tiles, of which each is
        an image.
    dates : tuple of int, optional
        Numbers of the dates to use; all by default.
    gap : (int, int), optional
        Least and most between the dates of image and patch: days where all dates are named by a day (2020-06-24 or
        20200624), else steps.
    holdout : float
        The share of places held out, in [0, 1): each goes to ``train`` or ``validation`` whole, by its name and the
        seed alone, whatever the others are. 0 writes one challenge.
    sky : str
        ``clear``: at most 2 % of patch and window brighter than 2,000 DN in all visible bands; ``cloudy``: at least
        10 % of either; ``any``.
    form : str
        ``official`` TFRecords, [-1, 1] in float16, or ``arrays``: images.npz and patches.npy, DN in uint16.
    seed : int
    """

    patches: int = 64
    side: int = 64
    largest: int = 512
    dates: tuple[int, ...] | None = None
    gap: tuple[int, int] | None = None
    holdout: float = 0.0
    sky: Sky = "any"
    form: Form = "official"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        settle = functools.partial(object.__setattr__, self)
        settle("patches", checks.whole("patches", self.patches, 1))
        settle("side", checks.whole("side", self.side, 4))
        settle("largest", checks.whole("largest", self.largest, 4))
        if self.largest < self.side:
            raise SettingsError(f"an image of {self.largest} px holds no patch of {self.side}")
        if self.dates is not None:
            settle("dates", checks.wholes("dates", self.dates, _DATES))
            if len(set(self.dates)) < 2:
                raise checks.refusal("dates", self.dates, _DATES)
        if self.gap is not None:
            settle("gap", checks.wholes("gap", self.gap, _GAP, count=2))
            if self.gap[0] > self.gap[1]:
                raise checks.refusal("gap", self.gap, _GAP)
        settle("holdout", checks.number("holdout", self.holdout, 0, 1))
        if self.holdout == 1:
            raise SettingsError("holdout 1.0: give less than 1, so that places are left to train with")
        checks.choice("sky", self.sky, SKIES)
        checks.choice("form", self.form, FORMS)
        settle("seed", checks.whole("seed", self.seed))
