"""The small real sample that ships with the package: six places on two dates, and patches cut from them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError
from matcher.placements import Placements

SAMPLE = Path(__file__).parent.parent / "data" / "sample.npz"
BANDS = ("red", "green", "blue", "nir")


@dataclass(frozen=True)
class SamplePlace:
    """A real place on two dates, on one grid.

    Attributes
    ----------
    name, group : str
    dates : (str, str)
        Of `image` and `other`, year-month-day.
    image, other : ndarray (height, width, 4), uint16
        Reflectance x 10,000 clipped to 0..4095; red, green, blue, near infrared.
    """

    name: str
    group: str
    dates: tuple[str, str]
    image: NDArray[np.uint16]
    other: NDArray[np.uint16]


def read_sample() -> list[SamplePlace]:
    """The places that ship with the package; contains modified Copernicus Sentinel data.

    Raises
    ------
    FormatError
        If the package was installed without its data.
    """
    if not SAMPLE.is_file():
        raise FormatError(f"{SAMPLE}: is missing from the installed package; install it again")
    with np.load(SAMPLE) as file:
        stack = unpack(file["planes"])
        return [
            SamplePlace(str(name), str(group), (str(dates[0]), str(dates[1])), *pair)
            for name, group, dates, pair in zip(
                file["names"], file["groups"], file["dates"], stack, strict=True
            )
        ]


def cut_patches(
    places: list[SamplePlace], patches_a_place: int, side: int, seed: int
) -> tuple[list[NDArray[np.uint16]], Placements]:
    """Patches of the other dates at random corners, in random order, and where they lie in the images.

    Returns
    -------
    patches : list of ndarray (side, side, 4), uint16
    answers : Placements
        Ids count from 0 in the order of the patches; image k is `places` [k].
    """
    rng = np.random.default_rng(seed)
    rows = []
    for k, place in enumerate(places):
        height, width, _ = place.other.shape
        for _ in range(patches_a_place):
            rows.append((k, int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))))
    rows = [rows[k] for k in rng.permutation(len(rows))]  # an id tells nothing of the image
    patches = [places[k].other[y : y + side, x : x + side] for k, y, x in rows]
    image, y, x = np.array(rows, np.int64).T.copy()
    return patches, Placements(np.arange(len(rows)), image, x, y)


def pack(stack: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Pictures in a form that deflate makes small: (..., height, width, bands) to (..., bands, 2, height, width).

    Each value less its left neighbour, the sign in the lowest bit, low and high bytes apart.
    """
    step = np.diff(np.moveaxis(stack, -1, -3).astype(np.int32), axis=-1, prepend=0)
    folded = np.where(step < 0, -2 * step - 1, 2 * step)
    return np.stack([folded & 255, folded >> 8], axis=-3).astype(np.uint8)


def unpack(planes: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """What `pack` was given, of values up to 32767."""
    wide = planes.astype(np.int32)
    folded = wide[..., 0, :, :] | wide[..., 1, :, :] << 8
    step = np.where(folded & 1, -(folded + 1) // 2, folded // 2)
    return np.ascontiguousarray(np.moveaxis(np.cumsum(step, axis=-1), -3, -1)).astype(np.uint16)
