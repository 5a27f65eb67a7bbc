"""The page of chips found in scenes: pictures of the right ground, frames and marks where they belong."""

import base64
import io
import re

import numpy as np
import pytest
from affine import Affine
from click.testing import CliRunner
from PIL import Image

from matcher.cli import main
from matcher.formats.opening import open_rasters
from matcher.geo.place import Place
from matcher.imagery import Pictures
from matcher.report.located import write_located
from matcher.report.surroundings import Cutout, around, as_chip, chip_pictures, read_small, seen_as_chip
from tests.formats.test_rasters import write
from tests.locating.test_locate import ground, other_date

pytest.importorskip("rasterio")
from rasterio.transform import from_origin

SIDE = 48


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return files(tmp_path_factory.mktemp("located"))


def files(path):
    """Two scenes with CRS, and three chips: two cut from the first scene, one from nowhere."""
    land = ground(300, 400)
    write(path / "scene.tif", land, nodata=0, transform=from_origin(600000, 5700000, 10, 10))
    write(path / "beside.tif", ground(200, 200, 7), nodata=0, transform=from_origin(604000, 5700000, 10, 10))
    (path / "chips").mkdir()
    later = other_date(land)
    for name, row, col in (("a", 101, 155), ("b", 0, 352)):
        write(path / "chips" / f"{name}.tif", later[row : row + SIDE, col : col + SIDE], nodata=0)
    write(path / "chips" / "none.tif", ground(SIDE, SIDE, 88), nodata=0)
    return path


def made(folder, false_colour=False):
    """The page of places as a match would find them; no search is needed for it."""
    chips = open_rasters(str(folder / "chips"))
    scenes = open_rasters([folder / "beside.tif", folder / "scene.tif"])
    at = {raster.name.rsplit("/", 1)[1]: raster for raster in (*chips.rasters, *scenes.rasters)}

    def place(chip, rank, scene, row, col, sure, reason=""):
        where = at[scene] if scene else None
        return Place(
            at[chip].name, rank, where.name if where else "", row, col, Affine.translation(col, row), (SIDE, SIDE),
            where.georef if where else None, 1.0, 0.0, 30.0, sure, reason,
        )  # fmt: skip

    places = [
        place("a.tif", 1, "scene.tif", 101.0, 155.0, 0.97),
        place("a.tif", 2, "scene.tif", 130.0, 180.0, 0.02),
        place("a.tif", 3, "beside.tif", 10.0, 20.0, 0.01),
        place("b.tif", 1, "scene.tif", 0.0, 352.0, 0.6, "ambiguous"),
        place("none.tif", 0, "", np.nan, np.nan, 0.1, "weak"),
    ]
    write_located(folder / "page.html", places, chips, scenes, false_colour=false_colour)
    return (folder / "page.html").read_text(encoding="utf-8")


def article(page, number):
    return re.search(rf"<article[^>]*id='chip-{number}'.*?</article>", page, re.S).group(0)


def pictures(text):
    return {
        name: np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(float)
        for name, data in re.findall(r"alt='([^']*)' src='data:image/webp;base64,([^']*)'", text)
    }


def test_each_chip_has_its_ground_its_rivals_and_its_surroundings(folder):
    page = made(folder)
    card = article(page, 0)
    shown = pictures(card)
    assert list(shown) == ["chip of a.tif", "found of a.tif", "rival 2 of a.tif", "rival 3 of a.tif"]
    chip, found, rival, other = shown.values()
    assert chip.shape == (SIDE, SIDE, 3)
    alike = [np.corrcoef(chip.ravel(), picture.ravel())[0, 1] for picture in (found, rival, other)]
    assert alike[0] > 0.8
    assert max(alike[1:]) < 0.4
    assert "scene.tif, row 101.0, col 155.0" in card
    assert card.count("<polygon") == 2  # the rival in the other scene has no frame here
    assert re.findall(r"<td>([^<]*)</td>", card)[:2] == ["found", "scene.tif"]
    assert "0.970" in card
    assert "a second place fits nearly as well" in article(page, 1)
    refused = article(page, 2)
    assert "in none of these scenes" in refused
    assert list(pictures(refused)) == ["chip of none.tif"]
    assert "<svg" not in refused
    assert not re.search(r"(?:src|href)=[\"'](?!#|data:)", page)  # nothing is fetched
    assert not re.search(r"https?://", page)


def test_frames_stand_where_the_places_are(folder):
    """The place at the scene's border, whose surroundings are moved into the scene."""
    card = article(made(folder), 1)
    width, height = map(float, re.search(r"viewBox='0 0 (\d+) (\d+)'", card).groups())
    ring = np.array([p.split(",") for p in re.search(r"points='([^']*)'", card).group(1).split()], float)
    assert (ring.min(0) == (width - SIDE, 0)).all()
    assert (ring.max(0) == (width, SIDE)).all()
    assert (width, height) == (144, 144)


def test_the_map_has_scenes_and_leads_to_chips(folder):
    page = made(folder)
    drawing = re.search(r"<svg[^>]*aria-label='scenes and chips.*?</svg>", page, re.S).group(0)
    frames = [
        np.array([point.split() for point in path.split("L")], float)
        for path in re.findall(r"d='M([^Z']*)Z' class='scene'", drawing)
    ]
    assert len(frames) == 2
    beside, scene = frames
    assert beside[:, 0].min() == pytest.approx(scene[:, 0].max(), abs=12)  # one lies east of the other
    assert beside[:, 1].min() == pytest.approx(scene[:, 1].min(), abs=12)  # and begins as far north
    assert re.findall(r"<a href='#(chip-\d)'", drawing) == ["chip-0", "chip-1"]
    x, y = (float(v) for v in re.search(r"<circle cx='([\d.]+)' cy='([\d.]+)'", drawing).groups())
    share = (x - scene[:, 0].min()) / np.ptp(scene[:, 0]), (y - scene[:, 1].min()) / np.ptp(scene[:, 1])
    assert share == pytest.approx(((155 + 24) / 400, (101 + 24) / 300), abs=0.03)


def test_ground_is_shown_as_a_turned_chip_lies(tmp_path):
    """A chip that lies a quarter turned in a scene of half its pixels' size."""
    land = ground(160, 200)
    write(tmp_path / "scene.tif", land)
    scenes = Pictures(open_rasters([tmp_path / "scene.tif"]), "dn")
    part = land[40:104, 60:140]
    chip = np.rot90(part, -1)[::2, ::2].astype(np.float32)
    height, width = chip.shape[:2]
    # Column and row of the chip to those of the scene: turned anticlockwise, twice as large.
    affine = Affine.translation(60, 40) @ Affine(0, 2, 0, -2, 0, 64)
    place = Place("c", 1, "s", 0, 0, affine, (height, width), None, 2.0, 0.0, 1.0, 1.0, "")
    dn, moved = seen_as_chip(scenes, 0, place)
    own, found = chip_pictures(chip, [(dn, moved)], False)
    assert own.shape == found.shape == (height, width, 3)
    assert np.corrcoef(own.ravel(), found.ravel())[0, 1] > 0.85
    turned = as_chip(np.ascontiguousarray(found[::-1]), Affine.identity(), (height, width))
    assert np.corrcoef(own.ravel(), turned.ravel())[0, 1] < 0.3


def test_large_surroundings_are_read_in_strips(tmp_path, monkeypatch):
    land = ground(130, 150)
    write(tmp_path / "scene.tif", land)
    scenes = Pictures(open_rasters([tmp_path / "scene.tif"]), "dn")
    whole, factor = read_small(scenes, 0, Cutout(5, 3, 120, 140), 35)
    assert factor == 4
    assert whole.shape == (30, 35, 4)
    np.testing.assert_allclose(
        whole, land[5:125, 3:143].reshape(30, 4, 35, 4, 4).mean((1, 3)), rtol=0, atol=0.01
    )
    monkeypatch.setattr("matcher.report.surroundings._STRIP", 1)
    np.testing.assert_array_equal(read_small(scenes, 0, Cutout(5, 3, 120, 140), 35)[0], whole)


def test_surroundings_stay_in_the_scene():
    place = Place("c", 1, "s", 0, 0, Affine.translation(190, 2), (20, 20), None, 1.0, 0.0, 1.0, 1.0, "")
    assert around(place, (50, 210, 4)) == Cutout(0, 114, 50, 96)


def test_scenes_that_say_no_place_have_no_map(tmp_path):
    land = ground(100, 120)
    write(tmp_path / "scene.tif", land, crs=None, transform=None)
    write(tmp_path / "chip.tif", land[10:58, 20:68], crs=None, transform=None)
    chips, scenes = open_rasters([tmp_path / "chip.tif"]), open_rasters([tmp_path / "scene.tif"])
    place = Place(
        chips.rasters[0].name, 1, scenes.rasters[0].name, 10, 20, Affine.translation(20, 10), (48, 48), None,
        1.0, 0.0, 9.0, 0.99, "",
    )  # fmt: skip
    write_located(tmp_path / "page.html", [place], chips, scenes)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "there is no map" in page
    assert "<td></td><td></td>" in article(page, 0)


def test_command(folder, tmp_path):
    """The page shows rivals that were not asked for, and what else is written is the same with it and without."""
    given = [
        "locate",
        str(folder / "chips"),
        "in",
        str(folder / "scene.tif"),
        str(folder / "beside.tif"),
        "-q",
    ]
    given += ["--evidence", "phase"]
    for name, more in (("plain", []), ("paged", ["--report", str(tmp_path / "page.html"), "--false-colour"])):
        result = CliRunner().invoke(main, [*given, "-o", str(tmp_path / f"{name}.csv"), *more])
        assert result.exit_code == 0, result.output
    assert (tmp_path / "plain.csv").read_text() == (tmp_path / "paged.csv").read_text()
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "rival 3 of a.tif" in page
    assert "near infrared, red, green" in page
    assert "<dd>phase</dd>" in page
    result = CliRunner().invoke(main, [*given, "--report", str(tmp_path / "page.pdf")])
    assert result.exit_code == 1
    assert "choose one of them" in result.output
