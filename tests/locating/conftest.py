"""What tests of `matcher.locating` share."""

import pytest

WEST, NORTH = 600000, 5700000


@pytest.fixture
def scene(tmp_path, land):
    """A module's own `land` as a GeoTIFF of 10 m, its corner at `WEST` and `NORTH`."""
    rasterio = pytest.importorskip("rasterio")
    from tests.formats.test_rasters import write

    transform = rasterio.transform.from_origin(WEST, NORTH, 10, 10)
    return write(tmp_path / "scene.tif", land, nodata=0, transform=transform)
