"""Chips in scenes of any grids: found within a pixel of where they are on the ground, or refused, never sure and wrong.

``MATCHER_FUZZ=500`` sets how many grids are drawn; by default a few.
"""

import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pyproj")
pytest.importorskip("rasterio")
import matcher
from matcher.errors import MatcherError
from matcher.geo.place import records
from tests.locating.grid_cases import SHIFTS, Case, Lie, make, metres_apart, utm

COUNT = int(os.environ.get("MATCHER_FUZZ", "6"))


@st.composite
def lies(draw, lon, lat):
    """How a raster about a place can lie."""
    choices = [utm(lon, lat), utm(lon, lat, 1), "EPSG:4326"]
    if abs(lat) < 80:
        choices.append("EPSG:3857")
    else:
        choices = ["EPSG:3413" if lat > 0 else "EPSG:3031", "EPSG:32661" if lat > 0 else "EPSG:32761"]
    if 60 < abs(lat) < 89:
        choices += ["EPSG:3413" if lat > 0 else "EPSG:3031", "EPSG:4326"]
    if abs(lon) > 170 and abs(lat) < 80:
        choices.append("EPSG:3832")
    sizes = st.sampled_from([8.0, 10.0, 11.3, 15.0, 20.0])
    return Lie(
        draw(st.sampled_from(choices)),
        draw(sizes),
        draw(sizes),
        quarter=draw(st.integers(0, 3)),
        flipped=draw(st.booleans()),
        angle=draw(st.sampled_from([0.0, 0.0, 0.0, 25.0])),
        point=draw(st.booleans()),
    )


@st.composite
def cases(draw):
    lon = draw(st.sampled_from([179.999, -179.99, 0.0]) | st.floats(-180, 179.99))
    lat = draw(st.sampled_from([90.0, -90.0, 88.0, 0.0]) | st.floats(-85, 85) | st.floats(-70, 70))
    scene = draw(lies(lon, lat))
    chip = draw(lies(lon, lat))
    if draw(st.booleans()):
        chip = replace(chip, crs=scene.crs)
    away = st.floats(-350, 350)  # so that all of the chip lies in the scene
    return Case(
        draw(st.sampled_from(sorted(SHIFTS))),
        lon,
        lat,
        scene,
        chip,
        draw(away),
        draw(away),
        draw(st.booleans()),
    )


@pytest.mark.slow
@given(cases())
@settings(max_examples=COUNT, derandomize=COUNT < 50)
def test_the_place_is_right_or_refused(tmp_path_factory, case):
    truth, chip, scene = make(case, tmp_path_factory.mktemp("grid"))
    place = refusal = None
    try:
        (place,) = matcher.locate(chip, scene, min_confidence=0.0)
    except MatcherError as error:
        refusal = str(error)
    if place is None or place.rank == 0:
        assert "\n" not in (refusal or "")
        return
    (record,) = records([place])
    assert -180 <= record["lon"] <= 180
    off = metres_apart(truth, (record["lon"], record["lat"]))
    pixel = max(case.scene.wide, case.scene.high, case.chip.wide, case.chip.high)
    assert off <= pixel or place.confidence < 0.5, f"{off:.1f} m off, sure {place.confidence:.3f}"
