"""`matcher.match` on arrays and files: what is found, and what must not change the answers."""

import logging
import subprocess
import sys

import numpy as np
import pytest

import matcher
from matcher.demo import sample
from matcher.errors import MatcherError, SettingsError
from matcher.formats.official import write_images, write_patches
from matcher.formats.opening import open_images
from matcher.imagery import open_pictures, tell_range, to_official
from matcher.matching import run
from matcher.settings import EVIDENCE, Settings
from tests.places import DATA, needs_data

SEARCHES = ["pyramid", "exhaustive"]
PLACES = ((0, 11, 4), (1, 0, 0), (2, 31, 32), (1, 7, 20))  # image, x, y


def noise(count, height, width, bands=4, seed=0):
    return np.random.default_rng(seed).integers(200, 3000, (count, height, width, bands)).astype(np.uint16)


def cut(images, places, side=64):
    return [images[k][y : y + side, x : x + side] for k, x, y in places]


def answers(result):
    return list(zip(result.image.tolist(), result.x.tolist(), result.y.tolist(), strict=True))


def test_an_answer_that_is_rather_right_than_wrong_stays_as_the_search_found_it(monkeypatch):
    """Colour and mutual information settle those that are rather wrong, and no others."""
    settled = []

    def settle(_task, _which, _found, weighed, doubtful, _index):
        settled.append(doubtful.tolist())
        return weighed

    monkeypatch.setattr(run, "settle_doubtful", settle)
    sure = np.array([0.95, 0.49, 0.5, 0.7, 0.0, 0.51], np.float32)
    monkeypatch.setattr(run, "_confidence", lambda *_: sure)
    images = noise(3, 96, 96)
    matcher.match(images, cut(images, (*PLACES, *PLACES[:2])))
    assert settled == [[1, 4]]


@pytest.mark.parametrize("search", SEARCHES)
def test_finds_what_was_cut(search):
    images = noise(3, 96, 96)
    result = matcher.match(images, cut(images, PLACES), search=search)
    assert answers(result) == list(PLACES)
    assert result.ids.tolist() == [0, 1, 2, 3]
    assert (result.confidence > 0.99).all()
    assert set(result.reason) == {""}
    assert set(result.runner_up_image.tolist()) <= {
        0,
        1,
        2,
    }  # another place of the same image may come second
    assert result.score.dtype == np.float32


@pytest.mark.parametrize("evidence", [(kind,) for kind in EVIDENCE] + [tuple(EVIDENCE)])
@pytest.mark.parametrize("search", SEARCHES)
def test_every_evidence_alone_and_together(evidence, search):
    images = noise(2, 80, 88)
    places = ((1, 20, 9), (0, 2, 16))
    assert answers(matcher.match(images, cut(images, places), search=search, evidence=evidence)) == list(
        places
    )


@pytest.mark.parametrize("search", SEARCHES)
def test_ratios_alone_need_two_bands(search):
    images = noise(2, 80, 88, 1)
    patches = cut(images, ((1, 20, 9),))
    with pytest.raises(SettingsError, match=r"evidence ratio needs two bands.*--evidence"):
        matcher.match(images, patches, search=search, evidence="ratio", bands=("gray",))
    # with other evidence they add nothing
    both = matcher.match(images, patches, search=search, evidence="phase,ratio", bands=("gray",))
    alone = matcher.match(images, patches, search=search, evidence="phase", bands=("gray",))
    assert answers(both) == answers(alone) == [(1, 20, 9)]
    assert both.score.tolist() == alone.score.tolist()


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("bands", [1, 2, 3])
def test_fewer_bands(bands, search):
    images = noise(2, 90, 90, bands)
    places = ((1, 20, 9), (0, 2, 26))
    assert answers(matcher.match(images, cut(images, places), search=search)) == list(places)


@pytest.mark.parametrize("search", SEARCHES)
def test_sizes_may_differ_on_both_sides(search):
    rng = np.random.default_rng(5)
    images = [rng.integers(0, 4000, (h, w, 4)).astype(np.uint16) for h, w in ((70, 120), (101, 64), (40, 44))]
    boxes = ((0, 30, 2, 64, 64), (1, 3, 50, 48, 60), (2, 8, 5, 32, 32), (1, 0, 37, 64, 64), (2, 1, 0, 40, 33))
    patches = [images[k][y : y + h, x : x + w] for k, x, y, h, w in boxes]
    assert answers(matcher.match(images, patches, search=search)) == [box[:3] for box in boxes]


def test_ids_are_the_files_own(tmp_path):
    images = noise(3, 96, 96)
    write_images(tmp_path / "i.tfrecords", map(to_official, images), [50, 40, 60])
    write_patches(tmp_path / "p.tfrecords", map(to_official, cut(images, PLACES)), [9, 3, 8, 1])
    result = matcher.match(tmp_path / "i.tfrecords", tmp_path / "p.tfrecords")
    assert result.ids.tolist() == [9, 3, 8, 1]
    assert result.image.tolist() == [50, 40, 60, 40]


@pytest.mark.parametrize("search", SEARCHES)
def test_what_must_not_change_the_answers(search):
    """Order of the patches, a patch more or less, threads and memory."""
    places = sample.read_sample()
    images = [place.image for place in places]
    patches, _ = sample.cut_patches(places, 2, 64, seed=3)
    whole = matcher.match(images, patches, search=search, threads=2)
    back = matcher.match(images, patches[::-1], search=search, threads=1)
    assert answers(back)[::-1] == answers(whole)
    np.testing.assert_array_equal(back.score[::-1], whole.score)
    some = matcher.match(images, patches[4:9], search=search, memory=256 << 20)
    assert answers(some) == answers(whole)[4:9]
    np.testing.assert_array_equal(some.confidence, whole.confidence[4:9])


@pytest.mark.parametrize("search", SEARCHES)
def test_real_sample(search):
    """What is in the package is found, but for sea, bare sand and cloud; confidence tells small patches not found."""
    places = sample.read_sample()
    images = [place.image for place in places]
    patches, truth = sample.cut_patches(places, 6, 64, seed=1)
    result = matcher.match(images, patches, search=search)
    scored = matcher.score(result, truth, {k: places[i].name for k, i in enumerate(truth.image.tolist())})
    assert scored.total > 0.95
    for name in ("pisa", "deurne", "potholes", "dubai", "T33TWL"):
        assert scored.groups[name].total > 0.97, name
    patches, truth = sample.cut_patches(places, 6, 32, seed=1)
    result = matcher.match(images, patches, search=search)
    off = np.hypot(result.x - truth.x, result.y - truth.y)
    right = (result.image == truth.image) & (off <= 4)  # what confidence is the probability of
    assert right.any()
    assert not right.all()
    assert result.confidence[right].mean() > result.confidence[~right].mean() + 0.3


def test_records_and_arrays_of_the_same_pixels_give_the_same(tmp_path):
    places = sample.read_sample()
    patches, _ = sample.cut_patches(places, 3, 64, seed=2)
    images = [to_official(place.image) for place in places]
    patches = [to_official(patch) for patch in patches]
    write_images(tmp_path / "i.tfrecords", images)
    write_patches(tmp_path / "p.tfrecords", patches)
    np.savez(tmp_path / "i.npz", **{str(k): image for k, image in enumerate(images)})
    np.save(tmp_path / "p.npy", np.stack(patches))
    records = matcher.match(tmp_path / "i.tfrecords", tmp_path / "p.tfrecords")
    for arrays in (
        matcher.match(tmp_path / "i.npz", tmp_path / "p.npy"),
        matcher.match(images, np.stack(patches)),
    ):
        assert answers(arrays) == answers(records)
        np.testing.assert_array_equal(arrays.score, records.score)


RANGES = {
    "dn": lambda dn: dn,
    "signed": to_official,
    "reflectance": lambda dn: (dn / np.float32(10_000)).astype(np.float32),
    "16bit": lambda dn: dn * np.uint16(16),
    "8bit": lambda dn: (dn // 16).astype(np.uint8),
}


@pytest.mark.parametrize("name", list(RANGES))
def test_value_ranges_are_told_and_change_little(name):
    places = sample.read_sample()[:2]
    images = [RANGES[name](place.image) for place in places]
    assert tell_range(open_images(images)) == name
    patches, truth = sample.cut_patches(places, 3, 64, seed=4)
    result = matcher.match(images, [RANGES[name](patch) for patch in patches])
    plain = matcher.match([place.image for place in places], patches)
    assert matcher.score(result, truth).total >= matcher.score(plain, truth).total - 0.02
    fixed = matcher.match(images, [RANGES[name](patch) for patch in patches], value_range=name)
    np.testing.assert_array_equal(fixed.score, result.score)


@pytest.mark.parametrize(
    ("images", "patches", "told"),
    [
        ([-1, 1], [0.2, 1], "signed"),  # patches of bright cloud
        ([0.3, 1], [-1, 0.4], "signed"),
        ([-0.05, 0.8], [0, 1.3], "reflectance"),  # noise and atmospheric correction go below 0
        ([-1, 1], [1, 1], "signed"),
    ],
)
def test_ranges_of_both_sides_are_told_together(images, patches, told):
    pictures = [np.resize(np.array(v, np.float32), (1, 20, 20, 1)) for v in (images, patches)]
    targets, queries = open_pictures(*map(open_images, pictures), "auto")
    assert (targets.value_range, queries.value_range) == (told, told)


def test_dark_patches_of_16_bit_images():
    images = noise(1, 20, 20) * np.uint16(20)
    targets, queries = open_pictures(open_images(images), open_images(images // 16), "auto")
    assert (targets.value_range, queries.value_range) == ("16bit", "16bit")


@pytest.mark.parametrize("search", SEARCHES)
def test_a_constant_patch_among_others_is_answered_and_named(search, caplog):
    images = noise(2, 96, 96)
    patches = [*cut(images, ((1, 5, 6),)), np.full((64, 64, 4), 4095, np.uint16)]
    with caplog.at_level(logging.INFO, "matcher"):
        result = matcher.match(images, patches, search=search)
    assert answers(result)[0] == (1, 5, 6)
    assert result.reason[1] == "saturated"
    assert result.confidence[1] < 0.1
    assert answers(result)[1][0] in (0, 1)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "array of patches, picture 1" in warnings[0]


@pytest.mark.parametrize(
    ("count", "said"), [(1, "0: is constant: there"), (2, "0: is constant, and so is every other")]
)
def test_constant_patches_alone_are_refused(count, said):
    with pytest.raises(MatcherError, match=f"^array of patches, picture {said}"):
        matcher.match(noise(1, 96, 96), np.full((count, 64, 64, 4), 700, np.uint16))


@pytest.mark.parametrize("search", SEARCHES)
def test_a_constant_patch_is_answered_by_its_colour_as_is_said(search, caplog):
    images = noise(2, 96, 96) // 4
    images[1, 30:, 30:] = (300, 320, 420, 90)
    patches = [*cut(images, ((0, 5, 6),)), np.full((32, 32, 4), (300, 320, 420, 90), np.uint16)]
    patches[0] = patches[0][:32, :32]
    with caplog.at_level(logging.WARNING, "matcher"):
        result = matcher.match(images, patches, search=search)
    image, y, x = answers(result)[1]
    assert image == 1
    assert min(y, x) >= 30
    assert result.confidence[1] < 0.5
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "colour" in told[0]


@pytest.mark.parametrize("search", SEARCHES)
def test_no_data_is_no_evidence(search):
    """Half of the patch is nodata, 0 in all bands: the other half finds the place."""
    images = noise(3, 96, 96)
    patch = cut(images, ((2, 9, 17),))[0].copy()
    patch[:, 32:] = 0
    assert answers(matcher.match(images, [patch], search=search)) == [(2, 9, 17)]


def test_progress_rises_to_all_pairs():
    calls = []
    images = noise(3, 70, 70)
    matcher.match(images, cut(images, ((0, 1, 2), (1, 3, 4))), progress=lambda *now: calls.append(now))
    assert calls[-1] == (6, 6)
    assert calls == sorted(calls)


@pytest.mark.parametrize(
    "options",
    [
        {"search": "guess"},
        {"value_range": "10bit"},
        {"evidence": ()},
        {"evidence": ("phase", "phase")},
        {"evidence": ("colour",)},
        {"bands": ("red", "red")},
        {"bands": ()},
        {"effort": 0.01},
        {"effort": float("nan")},
        {"threads": 0},
        {"memory": 1000},
    ],
)
def test_settings_that_cannot_be(options):
    with pytest.raises(SettingsError):
        Settings(**options)


def test_options_stand_before_settings():
    with pytest.raises(MatcherError, match="unknown option speed: choose from bands, "):
        matcher.match([], [], speed=3)
    images = noise(1, 80, 80)
    with pytest.raises(SettingsError, match="2 are named"):
        matcher.match(images, images, Settings(), bands=("red", "nir"))


@pytest.mark.parametrize("mark", [pytest.param(None, marks=[*needs_data, pytest.mark.slow])])
def test_official_records_as_cut_by_tensorflow(tmp_path, mark):  # noqa: ARG001
    """`cut.py --official`: its TFRecords, written by TensorFlow, against its arrays of the same pixels."""
    pytest.importorskip("tensorflow")
    script = DATA / "cut.py"
    subprocess.run(
        [sys.executable, script, tmp_path, "--official", "--patches", "2"], check=True, capture_output=True
    )
    folder = tmp_path / "official"
    records = matcher.match(folder / "test_images.tfrecords", folder / "test_patches.tfrecords")
    arrays = matcher.match(folder / "images.npy", folder / "patches.npz")
    np.testing.assert_array_equal(records.ids, arrays.ids)
    assert answers(records) == answers(arrays)
    np.testing.assert_array_equal(records.score, arrays.score)
    assert matcher.score(records, folder / "answers.csv").image > 0.6
