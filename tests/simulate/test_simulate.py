"""The synthetic Earth: the same for the same seed, legal in every value, and true to its own answers."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from matcher.cli import main
from matcher.errors import MatcherError, SettingsError
from matcher.formats.official import OfficialSeries
from matcher.formats.opening import open_images, open_patches
from matcher.formats.submission import read_submission
from matcher.imagery import to_official
from matcher.simulate import simulate
from matcher.simulate.challenge import _share_name, cut_place
from matcher.simulate.covers import COVERS, draw_cover
from matcher.simulate.light import cast_shadow, shading
from matcher.simulate.noise import knots, read_knots, smooth, threshold
from matcher.simulate.seasons import draw_moments, sun_direction
from matcher.simulate.sensor import LARGEST_SHIFT, draw_shift, expose
from matcher.simulate.world import generator, make_place

SMALL = {"images": 3, "patches_per_image": 4, "size": 96, "patch_side": 32}
NAMES = ["answers.csv", "groups.csv", "test_images.tfrecords", "test_patches.tfrecords"]


def digests(folder):
    return {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(Path(folder).rglob("*"))
        if p.is_file() and not p.name.startswith(".")
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    made = simulate(folder, seed=5, threads=1, **SMALL)
    assert (made.images, made.patches, made.series) == (3, 12, 0)
    return folder


def test_same_seed_same_bytes_whatever_the_threads(world, tmp_path):
    simulate(tmp_path, seed=5, threads=2, **SMALL)
    assert sorted(digests(tmp_path)) == NAMES
    assert digests(tmp_path) == digests(world)


def test_other_seed_other_world(world, tmp_path):
    simulate(tmp_path, seed=6, **SMALL)
    ours, theirs = digests(world), digests(tmp_path)
    assert all(ours[name] != theirs[name] for name in NAMES)


def test_a_place_does_not_depend_on_how_many_there_are(world, tmp_path):
    simulate(tmp_path, seed=5, **{**SMALL, "images": 2})
    many, few = open_images(world / "test_images.tfrecords"), open_images(tmp_path / "test_images.tfrecords")
    for k in range(2):
        np.testing.assert_array_equal(many[k], few[k])
    found = []
    for folder in (world, tmp_path):
        answers, patches = (
            read_submission(folder / "answers.csv"),
            open_patches(folder / "test_patches.tfrecords"),
        )
        rows = zip(answers.image, answers.y, answers.x, answers.ids, strict=True)
        found.append({(i, y, x, patches[int(k)].tobytes()) for i, y, x, k in rows if i < 2})
    assert found[0] == found[1]


def test_files_are_legal(world):
    images, patches = (
        open_images(world / "test_images.tfrecords"),
        open_patches(world / "test_patches.tfrecords"),
    )
    answers = read_submission(world / "answers.csv")
    assert len(images) == 3
    assert len(patches) == len(answers) == 12
    for k in range(3):
        assert images[k].shape == (96, 96, 4)
        assert images[k].dtype == np.float16
        dn = (images[k].astype(float) + 1) * 2047.5
        assert dn.min() >= 0
        assert dn.max() <= 4095
        assert dn.std() > 5
    assert {patches[k].shape for k in range(12)} == {(32, 32, 4)}
    assert sorted(answers.ids) == list(range(12))
    assert np.bincount(answers.image).tolist() == [4, 4, 4]
    for corner in (answers.x, answers.y):
        assert corner.min() >= 0
        assert corner.max() <= 96 - 32


def test_groups_name_every_patch(world):
    with open(world / "groups.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    assert [int(r["Patch ID"]) for r in rows] == list(range(12))
    answers = read_submission(world / "answers.csv")
    for row, image in zip(rows, answers.image, strict=True):
        assert row["group"] in COVERS
        assert int(row["place"]) == image
        assert row["target date"] != row["patch date"]
        assert row["cloud"] == _share_name(max(float(row["target cloud"]), float(row["patch cloud"])))


def test_ids_tell_nothing_of_the_image(tmp_path):
    simulate(tmp_path, seed=1, images=4, patches_per_image=16, size=64, patch_side=32)
    image = read_submission(tmp_path / "answers.csv").image
    assert (np.diff(image) != 0).sum() > 24  # in order of the images there would be 3 changes


@pytest.mark.parametrize("cover", sorted(set(COVERS) - {"coast"}))
def test_patches_look_most_like_their_true_place(cover):
    """Of all corners of a clear place the true one, within the misregistration, correlates best."""
    done = 0
    for number in range(12):
        place = make_place(3, number, 112, cover=cover)
        if any(s.cloud is not None or (s.snow is not None and s.snow.mean() > 0.05) for s in place.scenes):
            continue
        a, b = (unit_gradient(s.dn) for s in place.scenes)
        y, x = 30, 41
        spectrum = np.fft.fft2(a, axes=(0, 1)) * np.conj(
            np.fft.fft2(b[y : y + 64, x : x + 64], (112, 112), axes=(0, 1))
        )
        score = np.fft.ifft2(spectrum, axes=(0, 1)).real.sum(-1)[:49, :49]
        found = np.unravel_index(score.argmax(), score.shape)
        done += np.hypot(found[0] - y, found[1] - x) <= 2.1
        if done == 2:
            break
    assert done == 2, f"no two clear places of {cover} were found again"


def unit_gradient(dn):
    gy, gx = np.gradient(dn.astype(float), axis=(0, 1))
    z = gx + 1j * gy
    return z / np.maximum(np.abs(z), 1e-9)


@pytest.mark.parametrize("size", [32, 65, 130])
def test_other_sizes(size):
    cut = cut_place(2, 1, size, 3, 32)
    assert cut.image.shape == (size, size, 4)
    assert cut.patches.shape == (3, 32, 32, 4)
    assert cut.corners.max() <= size - 32


def test_training_series(tmp_path):
    simulate(tmp_path, images=2, patches_per_image=1, seed=4, size=64, series=True)
    series = OfficialSeries([tmp_path / "training" / "000.tfrecords"])
    assert len(series) == 2
    assert series[0].shape == (12, 64, 64, 4)
    for k in range(2):
        values = series[k].astype(float)
        assert values.min() >= 0
        np.testing.assert_array_equal(values[values < 2048], np.rint(values[values < 2048]))
        assert len({d.tobytes() for d in series[k]}) == 12
    image = open_images(tmp_path / "test_images.tfrecords")[0]
    assert not any(np.array_equal(to_official(d), image) for d in series[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"images": 0},
        {"patches_per_image": 0},
        {"seed": -1},
        {"size": 31},
        {"size": 48, "patch_side": 64},
        {"threads": 0},
        {"images": 1.5},
        {"size": 64.0},
    ],
)
def test_wrong_numbers_are_refused_before_anything_is_written(wrong, tmp_path):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        simulate(tmp_path / "out", **{"images": 1, "patches_per_image": 1, "seed": 0, "size": 64, **wrong})
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(MatcherError, match="out"):
        simulate(tmp_path / "out", images=1, patches_per_image=1, seed=0, size=64)


def test_a_stop_half_way_leaves_nothing(tmp_path):
    def stop(_what, done, _total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, seed=0, progress=stop, **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_command(world, tmp_path):
    arguments = ["simulate", str(tmp_path), "--images", "3", "--patches-per-image", "4", "--seed", "5"]
    done = CliRunner().invoke(main, [*arguments, "--size", "96", "--patch-side", "32"])
    assert done.exit_code == 0, done.output
    assert "3 images, 12 patches" in done.output
    assert digests(tmp_path) == digests(world)


def test_command_names_what_is_wrong(tmp_path):
    arguments = [
        "simulate",
        str(tmp_path),
        "--images",
        "1",
        "--patches-per-image",
        "1",
        "--seed",
        "5",
        "--size",
        "40",
    ]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert "size is 40" in done.output
    assert "Traceback" not in done.output


def test_covers_come_by_their_shares():
    names = [draw_cover(k) for k in np.linspace(0, 0.9999, 2000)]
    total = sum(c.share for c in COVERS.values())
    for name, cover in COVERS.items():
        assert names.count(name) / 2000 == pytest.approx(cover.share / total, abs=0.002)


def test_generators_of_different_keys_differ():
    assert generator(1, 2, 0).random() != generator(1, 2).random()
    assert generator(1, 2, 0).random() == generator(1, 2, 0).random()


def test_smooth_fields_are_of_unit_deviation_and_know_no_period():
    field = smooth(np.random.default_rng(0), (400, 300), 9)
    assert field.shape == (400, 300)
    assert abs(field.mean()) < 0.1
    assert 0.85 < field.std() < 1.15
    assert abs(np.corrcoef(field[0], field[-1])[0, 1]) < 0.4
    assert (field > threshold(field, 0.2)).mean() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("shift", [(0, 0), (5, -3), (-7.0, 7.0)])
def test_a_moved_field_is_the_same_field(shift):
    values = knots(np.random.default_rng(1), (60, 50), 6.0, reach=8)
    still, moved = (read_knots(values, (60, 50), 6.0, s, reach=8) for s in ((0, 0), shift))
    dy, dx = map(int, shift)
    np.testing.assert_allclose(moved[10:-10, 10:-10], still[10 + dy : 50 + dy, 10 + dx : 40 + dx], atol=1e-5)


@pytest.mark.parametrize("latitude", [-45, 0, 30, 60])
def test_the_sun_stands_where_it_should(latitude):
    for day in (10, 100, 190, 280):
        down, right, up = sun_direction(latitude, day)
        assert down**2 + right**2 + up**2 == pytest.approx(1)
        assert up >= 0.2
        assert right > 0  # the overpass is before noon
    if abs(latitude) > 30:
        assert sun_direction(latitude, 80)[0] * latitude > 0  # towards the equator
        assert (sun_direction(latitude, 172)[2] > sun_direction(latitude, 355)[2]) == (latitude > 0)


def test_moments_differ():
    moments = draw_moments(np.random.default_rng(0), 48.0, 12)
    assert len({m.date for m in moments}) == 12
    assert all((m.date.month in (12, 1, 2)) == (m.season == "winter") for m in moments)


def test_light_and_shadow_fall_away_from_the_sun():
    sun = (0.0, 0.8, 0.6)  # in the east
    height = np.zeros((20, 40), np.float32)
    height[:, 20] = 3
    shadow = cast_shadow(height, sun, 6)
    assert shadow[10, 18] == 1  # west of the wall
    assert shadow[10, 22] == 0
    assert shadow[10, 12] == 0  # beyond the shadow's end, 4 pixels
    rising_east = np.stack([np.zeros((4, 4)), np.full((4, 4), 0.3)]).astype(np.float32)
    assert shading(rising_east, sun).max() < 1 < shading(-rising_east, sun).min()
    np.testing.assert_allclose(shading(0 * rising_east, sun), 1, rtol=1e-5)


def test_the_official_form_clips():
    dn = np.array([0, 1, 2047, 2048, 4095, 4096, 9000], np.uint16)
    values = to_official(dn)
    assert values.dtype == np.float16
    assert values[0] == -1
    np.testing.assert_array_equal(values[-3:], 1)
    np.testing.assert_allclose((values.astype(float) + 1) * 2047.5, np.minimum(dn, 4095), atol=1)


def test_the_sensor_counts_and_moves_the_ground():
    rng = np.random.default_rng(0)
    radiance = np.full((4, 40, 40), 500, np.float32)
    flat = expose(radiance, (0, 0), rng).astype(float)
    assert flat.mean() == pytest.approx(500, abs=1)
    assert 2 < flat.std() < 6
    radiance[:, 20, 20] = 4000
    spot = expose(radiance, (0.5, -0.5), rng).astype(float)[0] - 500
    spot[spot < 40] = 0
    y, x = np.mgrid[:40, :40]
    assert (spot * y).sum() / spot.sum() == pytest.approx(20.5, abs=0.1)
    assert (spot * x).sum() / spot.sum() == pytest.approx(19.5, abs=0.1)
    assert max(np.hypot(*draw_shift(rng)) for _ in range(500)) <= LARGEST_SHIFT + 1e-9
