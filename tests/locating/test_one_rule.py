"""One rule of confidence: a chip in a scene is as sure by match and by locate, however the scene is cut."""

import numpy as np
import pytest

import matcher
from tests.formats.test_rasters import write
from tests.locating.test_locate import ground

pytest.importorskip("rasterio")

SIDE = 40


def chips(land, rng):
    """Chips at several places, each under noise that leaves it clear, in doubt, or lost; and one of elsewhere."""
    out = []
    for noise in (60, 600, 900, 1200, 1500):
        row, col = (int(rng.integers(0, n - SIDE)) for n in land.shape[:2])
        seen = land[row : row + SIDE, col : col + SIDE] + rng.normal(0, noise, (SIDE, SIDE, 4))
        out.append(seen.clip(1, 4095).astype(np.uint16))
    return [*out, ground(SIDE, SIDE, 99)]


@pytest.mark.parametrize("places", [70, 512])
def test_match_and_locate_are_as_sure(tmp_path, monkeypatch, places):
    import matcher.locating.variants as variants
    from matcher.indexing.tiles import TiledSource

    monkeypatch.setattr(variants, "TiledSource", lambda *a, **k: TiledSource(*a, **k, places=places))
    land = ground(260, 230, 5)
    scene = write(tmp_path / "scene.tif", land)
    made = chips(land, np.random.default_rng(3))
    paths = [write(tmp_path / f"{n}.tif", chip) for n, chip in enumerate(made)]
    found = matcher.locate(paths, scene, scale=1, min_confidence=0.0, pixels=True, value_range="dn")
    matched = matcher.match([land], made, value_range="dn")
    sure = np.array([place.confidence for place in found])
    assert np.abs(sure - matched.confidence).max() <= 0.02
    for n in np.flatnonzero(sure >= 0.5):
        assert abs(found[n].row - matched.y[n]) < 1
        assert abs(found[n].col - matched.x[n]) < 1
    assert (sure > 0.9).any()
    assert (sure < 0.5).any()
