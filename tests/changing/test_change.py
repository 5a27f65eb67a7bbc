"""Change between patches and their windows: what is painted is found, season, shift and cloud are not change."""

import re

import numpy as np
import pytest
from change_trial import (
    account,
    account_text,
    fit,
    paint_place,
    sample_rows,
    scores,
    season_pairs,
    sky_account,
)
from click.testing import CliRunner
from painted import MARGIN, RECIPES, Scene, paint
from PIL import Image

from matcher.changing.align import gains, moved, rest_shift
from matcher.changing.detect import CLASSES, find_change
from matcher.changing.run import change
from matcher.cli import main
from matcher.demo.sample import read_sample
from matcher.errors import MatcherError
from matcher.formats.submission import write_submission
from matcher.imagery import Roles
from matcher.placements import Placements

ROLES = Roles.of(("red", "green", "blue", "nir"))


@pytest.fixture(scope="module")
def place():
    found = next(p for p in read_sample() if p.group == "seasons")
    return found.image.astype(np.float32), found.other.astype(np.float32)


def at(dn, row, col, side=64):
    return np.ascontiguousarray(dn[row : row + side, col : col + side])


def test_shift_gain_and_offset_are_found_and_removed(place):
    image, _ = place
    window = moved(image, (40, 50), (64, 64), (0.6, -0.4))
    patch = window * np.float32(1.3) + np.float32(120)
    dy, dx = rest_shift(patch, at(image, 40, 50), ROLES)
    assert dy == pytest.approx(0.6, abs=0.1)
    assert dx == pytest.approx(-0.4, abs=0.1)
    change = find_change(patch, image, (40, 50), ROLES)
    assert change.shift == (dy, dx)
    assert change.gain == pytest.approx([1.3] * 4, abs=0.05)
    assert change.offset == pytest.approx([120] * 4, abs=60)
    assert (change.kind == 0).mean() > 0.99
    assert moved(image, (0, 0), (64, 64), (0.0, 0.0)) == pytest.approx(at(image, 0, 0))


def test_gain_of_a_line_with_outliers():
    rng = np.random.default_rng(1)
    window = rng.uniform(200, 3000, (40, 40, 2)).astype(np.float32)
    patch = window * np.float32(0.7) + np.float32(50)
    patch[:8] = 4000
    gain, offset = gains(patch, window, np.ones((40, 40), bool))
    assert gain == pytest.approx([0.7, 0.7], abs=0.02)
    assert offset == pytest.approx([50, 50], abs=20)


def test_a_building_is_found_where_it_stands(place):
    image, other = place
    patch = at(other, 60, 60).copy()
    before = find_change(patch, image, (60, 60), ROLES)
    patch[30:38, 20:29] = (1900, 1800, 1700, 2300)
    change = find_change(patch, image, (60, 60), ROLES)
    inside = change.score[31:37, 21:28].mean()
    outside = np.delete(
        change.score.ravel(), np.ravel_multi_index(np.mgrid[26:42, 16:33].reshape(2, -1), (64, 64))
    )
    assert inside > 0.5
    assert inside > 5 * outside.mean()
    assert inside > before.score[31:37, 21:28].mean() + 0.3


@pytest.mark.parametrize("bands", [1, 3])
def test_other_bands(place, bands):
    image, other = place
    roles = Roles.of(("gray",) if bands == 1 else ("red", "green", "blue"))
    patch = at(other, 60, 60)[..., :bands].copy()
    patch[20:40, 20:40] = patch[20:40, 20:40].mean((0, 1)) * 2
    change = find_change(patch, np.ascontiguousarray(image[..., :bands]), (60, 60), roles)
    assert change.score[22:38, 22:38].mean() > 3 * change.score[:, 45:].mean()


def test_cloud_shadow_and_no_data_are_not_change(place):
    image, _ = place
    patch = at(image, 40, 50, 96).copy()
    patch[10:40, 10:45] = (3600, 3600, 3700, 3800) + np.random.default_rng(2).normal(0, 80, (30, 35, 4))
    patch[50:75, 40:80] *= (0.55, 0.55, 0.6, 0.4)
    patch[90:] = 0
    kind = find_change(patch.astype(np.float32), image, (40, 50), ROLES).kind
    assert (kind[12:38, 12:43] == CLASSES.index("cloud")).all()
    assert (kind[53:72, 43:77] == CLASSES.index("shadow")).mean() > 0.7
    assert (kind[90:] == CLASSES.index("no data")).all()
    assert (kind == 1).mean() < 0.03


def test_a_patch_without_anything_is_unchanged():
    flat = np.full((64, 64, 4), 700, np.float32)
    change = find_change(flat, flat, (0, 0), ROLES)
    assert np.isfinite(change.score).all()
    assert not change.kind.any()
    empty = find_change(np.zeros((32, 32, 4), np.float32), flat, (5, 5), ROLES)
    assert (empty.kind == CLASSES.index("no data")).all()
    assert not empty.score.any()


def test_pairs_of_dates_are_of_different_seasons():
    dates = ["2019-12-20", "2020-01-20", "2020-07-01", "2018-02-10"]
    assert season_pairs(dates) == [(0, 2), (1, 2), (3, 0), (3, 2)]


def test_painting_changes_what_it_says_and_nothing_else(place):
    fields = next(p for p in read_sample() if p.group == "farmland")
    rng = np.random.default_rng(3)
    for recipe in RECIPES:
        image, other = place if recipe != "field" else (fields.image, fields.other)
        one = paint(Scene.of("here", image, other, ROLES), recipe, 64, rng)
        assert one is not None, recipe
        painted, real = (image, other) if recipe == "pond" else (other, image)
        corner = _where(one.image, real)
        assert (one.image == at(real, *corner, 64 + 2 * MARGIN)).all()
        touched = (one.patch != at(painted, corner[0] + MARGIN, corner[1] + MARGIN)).any(-1)
        assert touched[one.truth].all()
        assert touched.sum() < 3 * one.truth.sum() + 60
        assert 0 < one.truth.mean() < 0.3


def _where(window, whole):
    for row in range(whole.shape[0] - window.shape[0] + 1):
        for col in np.flatnonzero(
            (whole[row, : whole.shape[1] - window.shape[1] + 1] == window[0, 0]).all(-1)
        ):
            if (at(whole, row, col, len(window)) == window).all():
                return row, int(col)
    raise AssertionError("nowhere")


@pytest.mark.slow
def test_painted_changes_are_found_better_than_by_differencing():
    samples = []
    for one in read_sample():
        if one.group in ("cities", "farmland", "seasons"):
            samples += paint_place(
                one.name, np.stack([one.image, one.other]), [(0, 1)], ROLES, count=3, side=64, seed=5
            )
    again = paint_place(samples[0].place, _stack(samples[0].place), [(0, 1)], ROLES, count=3, side=64, seed=5)
    assert (again[0].patch == samples[0].patch).all()
    judged = account(samples, [scores(one, ROLES) for one in samples])
    own = judged["matcher"]["all"]
    assert own.average_precision > 1.5 * judged["plain differencing"]["all"].average_precision
    assert own.average_precision > 1.5 * judged["NDVI differencing"]["all"].average_precision
    assert own.precision > own.changed
    assert "pond" in account_text(judged)
    model = fit([sample_rows(one, ROLES) for one in samples])
    assert min(model.weights) > 0
    sky = sky_account(samples[:12], ROLES, 1)
    assert sky.cloud_found > 0.7
    assert sky.cloud_false < 0.02
    assert sky.taken_for_change < 0.15


def _stack(name):
    one = next(p for p in read_sample() if p.name == name)
    return np.stack([one.image, one.other])


@pytest.fixture
def files(place, tmp_path):
    image, other = place
    np.save(tmp_path / "images.npy", image[None].astype(np.uint16))
    patches = np.stack([at(other, 20, 30), at(other, 60, 70)]).astype(np.uint16)
    np.save(tmp_path / "patches.npy", patches)
    places = Placements(np.arange(2), np.zeros(2, int), np.array([30, 70]), np.array([20, 60]))
    write_submission(tmp_path / "places.csv", places)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["change", "-q", *map(str, arguments)])


def test_command_writes_every_form(files):
    base = [files / "images.npy", files / "patches.npy"]
    result = run(*base, files / "places.csv", "-o", files / "out", "--forms", "npz,png")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "Patch ID,Result,dy,dx,changed,cloud,shadow,no data"
    assert len(result.stdout.splitlines()) == 3
    with np.load(files / "out" / "1.npz") as file:
        assert file["score"].shape == file["kind"].shape == (64, 64)
        assert file["place"].tolist() == [0, 70, 60]
        assert file["classes"].tolist() == list(CLASSES)
    shown = np.asarray(Image.open(files / "out" / "0.png"))
    squares = {tuple(colour) for colour in shown[-60:].reshape(-1, 3).tolist()}
    assert {(40, 40, 40), (230, 60, 30), (255, 255, 255), (60, 90, 200), (0, 0, 0)} <= squares  # the legend
    matched = run(*base, "--only", "1")
    assert matched.exit_code == 0, matched.output
    assert matched.stdout.splitlines()[1].startswith("1,0 70 60,")


def write_scene(path, image):
    """An image as a GeoTIFF of 10 m; gives rasterio."""
    rasterio = pytest.importorskip("rasterio")
    profile = {
        "driver": "GTiff", "height": image.shape[0], "width": image.shape[1], "count": 4, "dtype": "uint16",
        "crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 500000, 0, -10, 5700000),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.moveaxis(image.astype(np.uint16), -1, 0))
        for k, name in enumerate(("red", "green", "blue", "nir"), 1):
            dataset.set_band_description(k, name)
    return rasterio


def test_a_place_that_is_two_pixels_off(place, tmp_path):
    """The patch's pixels lie where the rest shift says that its ground is, not where the window was found."""
    image, other = place
    write_scene(tmp_path / "scene.tif", image)
    patch = at(other, 60, 70)[None].astype(np.uint16)
    corners = []
    for x, y in ((70, 60), (72, 62), (71, 58)):
        found = Placements(*(np.array([n]) for n in (0, 0, x, y)))
        (one,) = change(tmp_path / "scene.tif", patch, found)
        t = one.georef.transform
        corners.append((t.c, t.f))
    for corner in corners[1:]:
        assert corner == pytest.approx(corners[0], abs=1.5)


def test_geotiff_lies_where_the_patch_lies(place, tmp_path):
    image, other = place
    rasterio = write_scene(tmp_path / "scene.tif", image)
    np.save(tmp_path / "patches.npy", at(other, 60, 70)[None].astype(np.uint16))
    write_submission(tmp_path / "p.csv", Placements(*(np.array([n]) for n in (0, 0, 70, 60))))
    result = run(
        tmp_path / "scene.tif",
        tmp_path / "patches.npy",
        tmp_path / "p.csv",
        "-o",
        tmp_path / "o",
        "--forms",
        "tif",
    )
    assert result.exit_code == 0, result.output
    (found,) = change(tmp_path / "scene.tif", tmp_path / "patches.npy", tmp_path / "p.csv")
    down, right = found.change.shift
    laid = pytest.approx((10, 0, 500700 + 10 * right, 0, -10, 5699400 - 10 * down), abs=1e-6)
    with rasterio.open(tmp_path / "o" / "0.tif") as made:
        assert made.count == 1
        assert made.crs.to_epsg() == 32631
        assert made.transform[:6] == laid
        (score,) = made.read()
    with rasterio.open(tmp_path / "o" / "0-class.tif") as made:
        assert made.dtypes == ("uint8",)
        assert made.transform[:6] == laid
        assert made.colormap(1)[1][:3] == (230, 60, 30)
        (kind,) = made.read()
    names = (tmp_path / "o" / "0-class.tif.aux.xml").read_text()
    assert re.findall("<Category>(.*?)</Category>", names) == list(CLASSES)
    found = next(
        change(
            str(tmp_path / "scene.tif"),
            str(tmp_path / "patches.npy"),
            Placements(*(np.array([n]) for n in (0, 0, 70, 60))),
        )
    )
    assert (score == found.change.score).all()
    assert (kind == found.change.kind).all()


def test_errors_are_one_line(files):
    base = [files / "images.npy", files / "patches.npy"]
    (files / "far.csv").write_text("Patch ID,Result\n0,0 9000 0\n")
    (files / "other.csv").write_text("Patch ID,Result\n0,7 0 0\n")
    for arguments, said in [
        ([*base, files / "none.csv"], "none.csv"),
        ([*base, files / "far.csv"], "patch 0"),
        ([*base, files / "other.csv"], "no picture 7"),
        ([*base, files / "places.csv", "--only", "5"], "patch 5"),
        ([*base, files / "places.csv", "--only", "x"], "--only"),
    ]:
        result = run(*arguments)
        assert result.exit_code == 1, arguments
        assert result.stderr.startswith("matcher: ")
        assert said in result.stderr
    with pytest.raises(MatcherError, match="shares between"):
        find_change(
            np.ones((20, 20, 4), np.float32), np.ones((20, 20, 4), np.float32), (0, 0), ROLES, prior=1
        )
