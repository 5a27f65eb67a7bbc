"""What is cut, and from what."""

from dataclasses import dataclass
from typing import Literal, get_args

from matcher.errors import SettingsError
from matcher.settings import SeriesOptions

Sky = Literal["any", "clear", "cloudy"]
Form = Literal["official", "arrays"]
SKIES: tuple[Sky, ...] = get_args(Sky)
FORMS: tuple[Form, ...] = get_args(Form)


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
        for fine, message in (
            (self.patches >= 1 and self.side >= 4, "give 1 patch an image or more, of 4 px a side or more"),
            (self.largest >= self.side, f"an image of {self.largest} px holds no patch of {self.side}"),
            (0 <= self.holdout < 1, "holdout goes from 0 to less than 1"),
            (self.sky in SKIES, f"sky {self.sky!r}: choose from {', '.join(SKIES)}"),
            (self.form in FORMS, f"form {self.form!r}: choose from {', '.join(FORMS)}"),
            (self.gap is None or 0 <= self.gap[0] <= self.gap[1], "gap: give least,most, from 0 up"),
            (self.dates is None or len(set(self.dates)) > 1, "dates: give two or more"),
            (self.seed >= 0, "seed is 0 or more"),
        ):
            if not fine:
                raise SettingsError(message)
