"""What `import matcher` gives: every name, loaded when it is used, and arrays wherever files are taken."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import matcher
from matcher.cutting.run import stacks

RNG = np.random.default_rng(11)


@pytest.fixture(scope="module")
def scene():
    """Two dates (2, 160, 160, 4) of one ground."""
    grain = RNG.integers(300, 3000, (20, 20, 4)).repeat(8, 0).repeat(8, 1)
    return np.stack([grain + RNG.integers(0, 200, grain.shape) for _ in range(2)]).astype(np.uint16)


def test_every_public_name_can_be_had():
    for name in matcher.__all__:
        assert getattr(matcher, name) is not None
    assert set(matcher.__all__) <= set(dir(matcher))
    with pytest.raises(AttributeError, match="no attribute 'mach'"):
        matcher.mach  # noqa: B018


def test_no_room_hides_a_public_name():
    """A package of a function's name would take the function's place once it is imported."""
    assert not set(matcher.__all__) & {path.stem for path in Path(matcher.__file__).parent.iterdir()}


def test_importing_loads_nothing_heavy():
    code = "import sys, matcher; print(*(m for m in ('numpy', 'numba', 'scipy', 'cv2') if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == []


class TestVerify:
    def test_stacks_lists_and_pairs_say_the_same(self, scene, tmp_path):
        first, second = scene[:1, 20:84, 30:94], scene[1:, 22:86, 30:94]
        pairs = matcher.Pairs(first, second)
        np.savez(tmp_path / "pairs.npz", first=first, second=second)
        wanted = matcher.verify(pairs, max_shift=6)
        assert wanted.probability[0] > 0.9
        assert wanted.shift.tolist() == [[-2, 0]]
        for given in ((first, second), ([first[0]], [second[0]]), (tmp_path / "pairs.npz",)):
            assert matcher.verify(*given, max_shift=6).probability == wanted.probability

    def test_one_picture_that_looks_like_a_stack(self, scene):
        with pytest.raises(matcher.MatcherError, match="looks like one picture and not like a stack"):
            matcher.verify(scene[0, :64, :64], scene[1, :64, :64])

    def test_one_stack_alone(self, scene):
        with pytest.raises(matcher.MatcherError, match="two stacks of patches, not one ndarray"):
            matcher.verify(scene)

    def test_options_replace_settings(self, scene):
        with pytest.raises(matcher.MatcherError, match="the pictures have 4 bands, and 2 are named"):
            matcher.verify(scene, scene, bands=("red", "nir"))
        with pytest.raises(matcher.MatcherError, match="unknown option efort: choose from bands"):
            matcher.verify(scene, scene, efort=2)


class TestChange:
    def test_places_from_a_match_a_file_or_nowhere(self, scene, tmp_path):
        patches = scene[1:, 40:104, 50:114]
        result = matcher.match(scene[:1], patches)
        result.to_submission(tmp_path / "found.csv")
        (wanted,) = matcher.change(scene[:1], patches, result)
        assert (wanted.image, wanted.x, wanted.y) == (0, 50, 40)
        for places in (tmp_path / "found.csv", None):
            (got,) = matcher.change(scene[:1], patches, places)
            assert (got.image, got.x, got.y) == (0, 50, 40)
            assert got.change.shares() == wanted.change.shares()

    def test_bad_input_is_told_at_the_call(self, scene, tmp_path):
        with pytest.raises(matcher.MatcherError, match=r"none\.npy"):
            matcher.change(tmp_path / "none.npy", scene)
        elsewhere = matcher.Placements(*(np.array([k]) for k in (0, 7, 0, 0)))
        with pytest.raises(matcher.MatcherError, match="no picture 7"):
            matcher.change(scene[:1], scene[1:, :64, :64], elsewhere)


class TestSeries:
    def test_arrays_and_files_are_cut_alike(self, scene, tmp_path):
        np.save(tmp_path / "0.npy", scene)
        options = matcher.CutOptions(patches=5, side=32, form="arrays")
        for name, series in (("array", scene), ("arrays", [scene]), ("file", [tmp_path / "0.npy"])):
            counts = matcher.cut(series, tmp_path / name, options)
            assert counts.counts == {"": (1, 1, 5)}
        for name in ("arrays", "file"):
            assert (tmp_path / name / "patches.npy").read_bytes() == (
                tmp_path / "array" / "patches.npy"
            ).read_bytes()
            assert (tmp_path / name / "answers.csv").read_bytes() == (
                tmp_path / "array" / "answers.csv"
            ).read_bytes()

    def test_one_series_twice_is_not_two_places(self, scene, tmp_path):
        """Under whatever name: its images would be found in each other, and pairs of them told to be of two places."""
        np.save(tmp_path / "a.npy", scene)
        np.save(tmp_path / "b.npy", scene)
        given, options = [tmp_path / "a.npy", tmp_path / "b.npy"], matcher.CutOptions(patches=5, side=32)
        with pytest.raises(
            matcher.MatcherError, match=r"b\.npy: is given twice: b has the pixels of a, \S+a\.npy"
        ):
            matcher.cut(given, tmp_path / "out", options)
        with pytest.raises(matcher.MatcherError, match="is given twice"):
            list(stacks(given, options))
        blank = np.zeros((2, 40, 40, 4), np.uint16)
        assert len(list(stacks([blank, blank], options))) == 2

    def test_features_of_an_array(self, scene, tmp_path):
        np.save(tmp_path / "s.npy", scene)
        mine, theirs = matcher.features(scene), matcher.features(tmp_path / "s.npy")
        np.testing.assert_array_equal(mine.features.values, theirs.features.values)
        assert [one.place for one in mine.places] == ["0"]

    @pytest.mark.parametrize(
        ("series", "said"),
        [
            (np.zeros((4, 4), np.uint16), r"series 0: is an array of the shape \(4, 4\)"),
            ([np.zeros((2, 9, 9, 4), complex)], "of complex128"),
            ([3], "series 0: is a int; give a path"),
        ],
    )
    def test_what_is_no_series(self, series, said):
        with pytest.raises(matcher.MatcherError, match=said):
            matcher.features(series)
