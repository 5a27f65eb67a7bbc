"""Dated rasters of one place: what all of them show, or why they cannot be laid on each other."""

import numpy as np
import pytest

pytest.importorskip("pyproj")
pytest.importorskip("rasterio")
from affine import Affine

from matcher.errors import FormatError
from matcher.formats.series import iterate_series
from tests.formats.test_rasters import picture, write

GRID = Affine(10, 0, 600000, 0, -10, 5700000)


def series(folder):
    (one,) = iterate_series([folder])
    return one


def test_dates_are_cropped_to_what_all_show(tmp_path, caplog):
    """One lies 3 rows down and 5 columns left of the first, and one is stored south up."""
    land = picture(60, 70)
    write(tmp_path / "2017.tif", land[10:50, 10:60], transform=GRID)
    write(tmp_path / "2018.tif", land[13:53, 5:55], transform=GRID @ Affine.translation(-5, 3))
    south = GRID @ Affine(1, 0, 0, 0, -1, 40)
    write(tmp_path / "2019.tif", land[10:50, 10:60][::-1], transform=south)
    found = series(tmp_path)
    assert found.shape == (3, 37, 45, 4)
    for date in range(3):
        np.testing.assert_array_equal(found.read(date), land[13:50, 10:55])
    assert "cropped to the 37 x 45 px that all dates show" in caplog.text


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"crs": "EPSG:32632"}, r"2018\.tif: has another CRS than .*2017\.tif"),
        ({"transform": GRID @ Affine.translation(0.5, 0)}, r"2018\.tif: has another grid, not off by whole"),
        ({"transform": GRID @ Affine.scale(2)}, r"2018\.tif: has another grid, not off by whole"),
        ({"transform": GRID @ Affine.translation(0, 40)}, "no ground that all of them share"),
    ],
)
def test_what_cannot_be_cropped_is_refused(tmp_path, profile, words):
    write(tmp_path / "2017.tif", picture(40, 50), transform=GRID)
    write(tmp_path / "2018.tif", picture(40, 50), **{"transform": GRID, **profile})
    with pytest.raises(FormatError, match=words):
        series(tmp_path)


def test_dates_without_a_place_go_by_their_sizes(tmp_path, caplog):
    write(tmp_path / "2017.tif", picture(40, 50), transform=GRID)
    write(tmp_path / "2018.tif", picture(40, 50), crs=None)
    assert series(tmp_path).shape == (2, 40, 50, 4)
    assert "not every date says where it lies" in caplog.text
    write(tmp_path / "2019.tif", picture(40, 51), crs=None)
    with pytest.raises(FormatError, match=r"2019\.tif: is of \(40, 51, 4\)"):
        series(tmp_path)
