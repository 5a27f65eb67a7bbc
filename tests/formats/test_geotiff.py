"""What is written as GeoTIFF: names, colours and tags, and that GDAL has nothing to complain of."""

import logging

import numpy as np
import pytest

from matcher.formats.geotiff import open_dataset, write_geotiff

rasterio = pytest.importorskip("rasterio")
from rasterio.enums import ColorInterp  # noqa: E402


@pytest.mark.parametrize("coloured", [False, True])
def test_colours_and_names_are_set_without_a_complaint(coloured, tmp_path, caplog):
    """A complaint would be found by the next call of GDAL in this thread, and taken for its own."""
    values = np.arange(3 * 20 * 20, dtype=np.uint8).reshape(3, 20, 20)[: 1 if coloured else 3]

    def describe(dataset):
        dataset.set_band_description(1, "first")
        if coloured:
            dataset.write_colormap(1, {0: (1, 2, 3, 255)})
        else:
            dataset.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)

    with caplog.at_level(logging.INFO, logger="rasterio"):
        write_geotiff(tmp_path / "a.tif", values, {}, describe)
    assert "Cannot modify tag" not in caplog.text
    with open_dataset(str(tmp_path / "a.tif")) as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert dataset.descriptions[0] == "first"
        if coloured:
            assert dataset.colormap(1)[0] == (1, 2, 3, 255)
        else:
            assert dataset.colorinterp[0] == ColorInterp.red
