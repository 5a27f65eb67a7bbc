#!/usr/bin/env python3
"""Make matcher/data/sample.npz, the small real sample of `matcher demo`, from the real places.

    python tools/make_sample.py [--data DIR]

DIR (by default MATCHER_DATA or ../shared/data) holds places/*.npz: `images` (dates, height, width, bands) uint16 DN,
`dates`, `group`. A tile of two dates is taken from each place named below; the first date is the image, patches are
cut from the second. The places are of every kind, easy and hard: two of them cannot be matched whole, a bay and a
hillside mostly under cloud.
"""

import argparse
import io
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from matcher.demo.sample import BANDS, SAMPLE, SamplePlace, pack, read_sample  # noqa: E402
from matcher.formats.files import atomic_write  # noqa: E402

SIDE = 256
LARGEST = 4_000_000  # bytes
# Place, dates of image and patches (indices), top, left.
TILES = (
    ("pisa", 0, 1, 190, 270),
    ("hongkong", 0, 1, 439, 60),
    ("dubai", 0, 1, 400, 200),
    ("deurne", 2, 0, 150, 250),
    ("potholes", 0, 9, 50, 100),
    ("T33TWL", 1, 0, 300, 250),
)


def main() -> None:
    """Write the sample, and read it back."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = os.environ.get("MATCHER_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=default, help="folder of places/*.npz")
    folder = parser.parse_args().data / "places"
    places = [cut(folder, *tile) for tile in TILES]
    content = io.BytesIO()
    np.savez_compressed(content, **packed(places))
    if content.tell() > LARGEST:
        raise SystemExit(f"{content.tell()} bytes; at most {LARGEST} may ship in the package")
    with atomic_write(SAMPLE) as file:
        file.write(content.getvalue())
    for place, again in zip(places, read_sample(), strict=True):
        assert (place.image == again.image).all()
        assert (place.other == again.other).all()
    print(f"{SAMPLE}: {len(places)} places, {content.tell() / 1e6:.2f} MB")


def cut(folder: Path, name: str, image: int, later: int, top: int, left: int) -> SamplePlace:
    """One tile of two dates."""
    with np.load(folder / f"{name}.npz") as file:
        if tuple(file["bands"].tolist()) != BANDS:
            raise SystemExit(f"{name}: has the bands {file['bands'].tolist()}, not {BANDS}")
        window = file["images"][:, top : top + SIDE, left : left + SIDE]
        dates = [str(file["dates"][k]) for k in (image, later)]
        return SamplePlace(name, str(file["group"]), (dates[0], dates[1]), window[image], window[later])


def packed(places: list[SamplePlace]) -> dict[str, NDArray]:
    """The arrays of the file."""
    return {
        "names": np.array([place.name for place in places]),
        "groups": np.array([place.group for place in places]),
        "dates": np.array([place.dates for place in places]),
        "bands": np.array(BANDS),
        "planes": pack(np.stack([np.stack([place.image, place.other]) for place in places])),
    }


if __name__ == "__main__":
    main()
