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


@pytest.mark.parametrize(
    ("places", "height", "beside"), [(70, 260, 0), (512, 260, 0), (512, 330, 0), (512, 260, 2)]
)
def test_match_and_locate_are_as_sure(tmp_path, monkeypatch, places, height, beside):
    """However the scene is cut, for scenes of other sizes, and with other scenes beside."""
    import matcher.locating.variants as variants
    from matcher.indexing.tiles import TiledSource

    monkeypatch.setattr(variants, "TiledSource", lambda *a, **k: TiledSource(*a, **k, places=places))
    land = ground(height, 230, 5)
    lands = [land, *(ground(150, 170, 20 + k) for k in range(beside))]
    scenes = [write(tmp_path / f"scene{k}.tif", one) for k, one in enumerate(lands)]
    made = chips(land, np.random.default_rng(3))
    paths = [write(tmp_path / f"{n}.tif", chip) for n, chip in enumerate(made)]
    found = matcher.locate(paths, scenes, scale=1, min_confidence=0.0, pixels=True, value_range="dn")
    matched = matcher.match(lands, made, value_range="dn")
    sure = np.array([place.confidence for place in found])
    assert np.abs(sure - matched.confidence).max() <= 0.02
    for n in np.flatnonzero(sure >= 0.5):
        assert abs(found[n].row - matched.y[n]) < 1
        assert abs(found[n].col - matched.x[n]) < 1
    assert (sure > 0.9).any()
    assert (sure < 0.5).any()
