"""What a fit is asked to do."""

from dataclasses import dataclass

from matcher.errors import SettingsError
from matcher.settings import LEAST_MEMORY, MIN_SIDE, SeriesOptions, Settings


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
        for fine, message in (
            (
                bool(self.sides) and min(self.sides) >= MIN_SIDE,
                f"sides: give one or more of {MIN_SIDE} px or more",
            ),
            (len(set(self.sides)) == len(self.sides), "sides: one is named twice"),
            (self.rounds >= 0 and self.seed >= 0, "rounds and seed are 0 or more"),
            (self.memory >= LEAST_MEMORY, "memory: give 256 MiB or more, in bytes"),
        ):
            if not fine:
                raise SettingsError(message)
