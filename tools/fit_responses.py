#!/usr/bin/env python3
"""Fit the responses of `matcher.evidence.responses`: how the templates of every kind of evidence are whitened.

    python tools/fit_responses.py [--data PLACES] [--windows 20] [--without PLACE …]

A patch is sought in images whose own fields are the noise. The best linear template in noise of a known spectrum is
the patch divided by it (the matched filter: Turin, "An introduction to matched filters", IRE Trans. 1960); half of
that, one over the root of the spectrum, is what does best on real pairs of dates, whose agreement fades towards high
frequencies. The spectrum of each kind's fields is the mean over windows of real places, by distance from frequency 0,
geometric over groups of places; visible bands and near infrared share one. Prints the table.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matcher.evidence import channels
from matcher.evidence.responses import RESPONSES
from matcher.imagery import Roles

DATA = Path(os.environ.get("MATCHER_DATA", Path(__file__).parents[2] / "shared" / "data"))
ROLES = Roles.of(("red", "green", "blue", "nir"))
SIDE = 200  # px of a window
STEPS = 16  # a cycle a pixel, as `matcher.correlate` reads the table
GROUPS = ("cities", "seasons", "farmland")  # not the coarse, aliased clouds


def spectrum(fields: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean energy of fields (n, SIDE, SIDE) at each of the table's frequencies."""
    taper = np.hanning(SIDE)[:, np.newaxis] * np.hanning(SIDE)
    energy = (np.abs(np.fft.fft2(fields * taper)) ** 2).sum(0)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, np.newaxis], np.fft.fftfreq(SIDE))
    ring = np.rint(frequency * STEPS).astype(int)
    return np.bincount(ring.ravel(), energy.ravel()) / np.bincount(ring.ravel())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--windows", type=int, default=20, help="of each place")
    parser.add_argument("--without", nargs="*", default=[], help="places left out")
    a = parser.parse_args()
    rng = np.random.default_rng(0)
    seen: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    for path in sorted(Path(a.data, "places").glob("*.npz")):
        with np.load(path) as file:
            stack, group = file["images"], str(file["group"])
        if path.stem in a.without or group not in GROUPS:
            continue
        for _ in range(a.windows):
            y, x = (int(rng.integers(length - SIDE + 1)) for length in stack.shape[1:3])
            dn = stack[rng.integers(len(stack)), y : y + SIDE, x : x + SIDE].astype(np.float32)
            for channel in channels(dn, ROLES, tuple(RESPONSES)):
                name = channel.name.removesuffix("-nir")
                energy = spectrum(channel.stacks[0])
                seen.setdefault((name, group), []).append(energy / energy.mean())
    for name in RESPONSES:
        logs = [np.log(np.mean(rows, axis=0)) for (kind, _), rows in seen.items() if kind == name]
        response = np.exp(-0.5 * np.mean(logs, axis=0))
        print(f'    "{name}": ({", ".join(f"{v:.2f}" for v in response / response.max())}),')


if __name__ == "__main__":
    main()
