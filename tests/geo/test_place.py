"""Places of chips: corners, middles and records by hand."""

import math

import numpy as np
import pytest

pytest.importorskip("pyproj")
from affine import Affine

from matcher.errors import MatcherError
from matcher.geo.grid import Grid, distance
from matcher.geo.place import COLUMNS, Place, records

SCENE = Grid("EPSG:32631", Affine(10, 0, 500000, 0, -10, 5000000), (300, 400))
# Half as large pixels as the scene's, turned: a column goes down, a row to the left.
LAID = Affine(0, -0.5, 100, 0.5, 0, 40)


def place(**other):
    told = {
        "chip": "folder/chip.tif", "rank": 1, "scene": "scene.tif", "row": 40.04, "col": 99.96, "affine": LAID,
        "size": (60, 80), "georef": SCENE, "scale": 0.5000004, "rotation": -90.0, "score": 80.12345,
        "confidence": 0.987654, "reason": "", "chip_id": 3, "scene_id": 7,
    }  # fmt: skip
    return Place(**{**told, **other})


def test_corners_and_middle_on_the_map():
    assert place().outline() == [(501000, 4999600), (500700, 4999600), (500700, 4999200), (501000, 4999200)]
    assert place().centre() == (500850, 4999400)
    assert place().transform @ (10, 20) == (500900, 4999550)


def test_a_picture_without_crs_lies_nowhere():
    plain = place(georef=None)
    assert plain.transform is None
    assert plain.outline() == []
    assert np.isnan(plain.centre()).all()
    (record,) = records([plain])
    assert [record[name] for name in ("map_x", "map_y", "lon", "lat", "crs")] == [None] * 5
    assert record["row"] == 40.0


def test_records():
    (record,) = records([place()])
    assert tuple(record) == COLUMNS
    lon, lat = record.pop("lon"), record.pop("lat")
    # Lengths on the map are 0.9996 of those on the ground, from the equator and from the middle meridian.
    lengths = distance([(3, 0), (3, lat)], [(3, lat), (lon, lat)])
    np.testing.assert_allclose(lengths * 0.9996, [4999400, 850], atol=0.1)
    assert (round(lon, 7), round(lat, 7)) == (lon, lat)
    assert record == {
        "chip": "folder/chip.tif", "rank": 1, "scene": "scene.tif", "row": 40.0, "col": 100.0, "map_x": 500850.0,
        "map_y": 4999400.0, "crs": "EPSG:32631", "scale": 0.5, "rotation": -90.0, "score": 80.123,
        "confidence": 0.9877, "reason": "", "chip_id": 3, "scene_id": 7,
    }  # fmt: skip


def test_map_coordinates_to_eight_digits():
    (record,) = records([place(affine=Affine(1 / 3, 0, 1 / 3, 0, 1 / 7, 1 / 7))])
    assert record["map_x"] == 500000 + 136.66666667
    assert record["map_y"] == 5000000 - 44.28571429


def test_records_of_refused_chips():
    gone = place(rank=0, scene="", row=math.nan, col=math.nan, georef=None, reason="weak", scene_id=None)
    (record,) = records([gone])
    assert {name for name, value in record.items() if value is None} == {
        "scene", "row", "col", "map_x", "map_y", "lon", "lat", "crs", "scale", "rotation", "scene_id",
    }  # fmt: skip
    assert (record["rank"], record["reason"], record["confidence"]) == (0, "weak", 0.9877)


class TestToXarray:
    VALUES = np.arange(60 * 80 * 2).reshape(60, 80, 2)

    def test_a_turned_chip_has_a_transform_and_no_axes(self):
        pytest.importorskip("xarray")
        laid = place().to_xarray(self.VALUES)
        assert laid.dims == ("band", "y", "x")
        assert laid.shape == (2, 60, 80)
        assert laid.name == "chip.tif"
        assert (laid.attrs["scene"], laid.attrs["confidence"]) == ("scene.tif", 0.987654)
        assert laid.spatial_ref.attrs["GeoTransform"] == "501000.0 0.0 -5.0 4999600.0 -5.0 -0.0"
        assert not {"x", "y"} & set(laid.coords)
        assert laid.band.to_numpy().tolist() == [1, 2]
        np.testing.assert_array_equal(laid.transpose("y", "x", "band"), self.VALUES)

    def test_axes_are_of_the_middles_of_pixels(self):
        pytest.importorskip("xarray")
        laid = place(affine=Affine(0.5, 0, 100, 0, 0.5, 40)).to_xarray(self.VALUES[..., 0])
        assert laid.x.to_numpy()[[0, 1, -1]].tolist() == [501002.5, 501007.5, 501397.5]
        assert laid.y.to_numpy()[[0, 1, -1]].tolist() == [4999597.5, 4999592.5, 4999302.5]

    def test_what_cannot_be_laid(self):
        with pytest.raises(MatcherError, match="no scene with a CRS"):
            place(georef=None).to_xarray(self.VALUES)
        with pytest.raises(MatcherError, match=r"of \(60, 80\) px, and values of \(80, 60\)"):
            place().to_xarray(self.VALUES.reshape(80, 60, 2))
