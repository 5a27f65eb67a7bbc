#!/usr/bin/env python3
"""A real case from end to end: chips of one year, scenes of another, places on a map, and a picture of them.

    python docs/walkthrough.py [DIR]        (needs the extra geo)

Uses the places that ship with the package (contains modified Copernicus Sentinel data), on a made-up grid.
"""

import sys
from pathlib import Path

import rasterio

import matcher
from matcher.demo.rasters import SIDE, write_rasters
from matcher.formats.placefiles import write_georeferenced, write_places
from matcher.report.gallery import GalleryCard, draw_gallery


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "walkthrough")

    # 1. Scenes: each place as it was on one date. Chips: cut from the other date, their coordinates lost. The last
    #    chip shows noise, and belongs nowhere.
    cut = {str(path): chip for path, chip in write_rasters(folder).items()}

    # 2. Where are they?
    places = matcher.locate(folder / "chips", folder / "scenes")
    for place in places:
        name = Path(place.chip).name
        if place.rank == 0:
            print(f"{name}: in none of these scenes ({place.reason})")
            continue
        x, y = place.centre()
        print(
            f"{name}: row {place.row:.1f}, column {place.col:.1f} of {Path(place.scene).name}, at {x:.0f} {y:.0f}"
        )
        print(
            f"    confidence {place.confidence:.3f}; cut at row {cut[place.chip].row}, column {cut[place.chip].col}"
        )

    # 3. For a map: outlines in degrees, and the chips as GeoTIFFs in their places.
    write_places(folder / "places.geojson", places)
    write_places(folder / "places.csv", places)
    files = write_georeferenced(folder / "found", places)
    print(
        f"\n{folder / 'places.geojson'}, {folder / 'places.csv'}, and {len(files)} GeoTIFFs in {folder / 'found'}"
    )

    # 4. A picture: the chip, the window found, and the window it was cut from.
    cards = []
    for place in places:
        if place.rank:
            chip = cut[place.chip]
            source, row, col = chip.place, chip.row, chip.col
            scene = rasterio.open(place.scene).read().transpose(1, 2, 0)
            top, left = round(place.row), round(place.col)
            found = scene[top : top + SIDE, left : left + SIDE]
            true = source.image[row : row + SIDE, col : col + SIDE]
            good = Path(place.scene).stem == source.name and max(abs(top - row), abs(left - col)) <= 2
            lines = (("chip", source.dates[1]), ("found", f"{top}, {left}"), ("cut from", f"{row}, {col}"))
            title = f"{Path(place.chip).stem}, {place.confidence:.2f}"
            cards.append(
                GalleryCard(
                    title, good, (source.other[row : row + SIDE, col : col + SIDE], found, true), lines
                )
            )
    right, wrong = [c for c in cards if c.good], [c for c in cards if not c.good]
    draw_gallery(folder / "places.png", "Chips and their places", {"Right": right, "Wrong": wrong})
    print(folder / "places.png")


if __name__ == "__main__":
    main()
