"""Scenes by an index of their pieces: chips lie where they lie by the scenes themselves."""

import numpy as np
import pytest
from click.testing import CliRunner

import matcher
from matcher.cli import main
from matcher.errors import FormatError
from matcher.indexing.making import add_images
from tests.formats.test_rasters import write
from tests.locating.test_locate import ground

pytest.importorskip("rasterio")

SIDE = 40


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Two scenes of two pieces each, below and beside one another, and chips of them."""
    folder = tmp_path_factory.mktemp("scenes")
    lands = [ground(640, 300, 5), ground(300, 640, 6)]
    paths = [write(folder / f"scene{k}.tif", land) for k, land in enumerate(lands)]
    rng = np.random.default_rng(1)
    chips = []
    for k, land in enumerate(lands):
        row, col = (int(rng.integers(0, n - SIDE)) for n in land.shape[:2])
        seen = land[row : row + SIDE, col : col + SIDE] + rng.normal(0, 500, (SIDE, SIDE, 4))
        chips.append(write(folder / f"chip{k}.tif", seen.clip(1, 4095).astype(np.uint16)))
    return paths, chips


def test_the_places_are_those_of_the_scenes(tmp_path, scenes, monkeypatch, caplog):
    paths, chips = scenes
    options = {"pixels": True, "scale": 1, "min_confidence": 0.0, "candidates": 2}
    wanted = matcher.locate(chips, paths, **options)
    made = matcher.make_index(paths[:1], tmp_path / "index", [SIDE], cut="pieces")
    assert made.bands == 4
    add_images(tmp_path / "index", paths[1:])
    monkeypatch.setattr("matcher.search.pyramid.cascade.index_targets", None)  # nothing is coded any more
    found = matcher.locate(chips, tmp_path / "index", **options)
    assert [place.confidence for place in found] == [place.confidence for place in wanted]
    assert list(found) == list(wanted)
    monkeypatch.undo()
    near = {**options, "scale": 2}
    assert list(matcher.locate(chips, tmp_path / "index", **near)) == list(
        matcher.locate(chips, paths, **near)
    )
    assert "made for this run alone" in caplog.text


def test_pieces_are_not_what_match_searches(tmp_path, scenes, caplog):
    paths, chips = scenes
    matcher.make_index(paths, tmp_path / "index", [SIDE], cut="pieces")
    found, wanted = (matcher.match(what, chips, value_range="dn") for what in (tmp_path / "index", paths))
    assert found.score.tolist() == wanted.score.tolist()
    assert "holds codes of pieces, for locate" in caplog.text


def test_a_scene_without_a_valid_pixel_is_refused(tmp_path):
    path = write(tmp_path / "empty.tif", np.zeros((600, 600, 4), np.uint16))
    with pytest.raises(FormatError, match="holds no valid pixel"):
        matcher.make_index(path, tmp_path / "index", [SIDE], cut="pieces", value_range="dn")


def test_the_command(tmp_path, scenes, monkeypatch):
    paths, chips = scenes
    runner, place = CliRunner(), str(tmp_path / "index")

    def said(*arguments, code=0):
        done = runner.invoke(main, [str(one) for one in arguments])
        assert done.exit_code == code, done.output
        return done.output

    assert "40 x 40 px" in said(
        "index", paths[0], "-o", place, "--size", "40", "--cut", "pieces", "--threads", 1
    )
    assert "2 images" in said("index", "add", place, paths[1])
    assert "in pieces, for locate" in said("index", "info", place)
    assert said("index", "check", place).endswith("sound\n")
    assert "1 image," in said("index", "remove", place, 0)
    for scenes_, there in ((place, True), (paths[1], False)):
        dry = said("locate", chips[1], "in", scenes_, "--pixels", "--scale", 1, "--dry-run")
        assert ("pieces, whose codes the index has" in dry) == there
    with monkeypatch.context() as patch:
        patch.setattr("matcher.search.pyramid.cascade.index_targets", None)  # nothing is coded any more
        said("locate", chips[1], "in", place, "--pixels", "-o", tmp_path / "found.csv")
    said("locate", chips[1], "in", paths[1], "--pixels", "-o", tmp_path / "wanted.csv")
    found, wanted = ((tmp_path / f"{name}.csv").read_bytes() for name in ("found", "wanted"))
    assert len(found.splitlines()) == 2
    assert _columns(found, "row") == _columns(wanted, "row")
    next((tmp_path / "index").glob("*.codes")).write_bytes(b"")
    assert "are damaged" in said("index", "check", place, code=1)
    assert "matcher index IMAGES" in said("index", "--help")


def _columns(table, name):
    head, *rows = table.decode().splitlines()
    return [row.split(",")[head.split(",").index(name)] for row in rows]
