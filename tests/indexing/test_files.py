"""The files that an index is of: each is known by itself, whatever comes to lie beside it or goes."""

from dataclasses import replace

import numpy as np
import pytest

import matcher
from matcher.errors import FormatError, ResumeError, SettingsError
from matcher.formats.handles import HANDLES
from matcher.formats.opening import open_rasters
from matcher.indexing import completing
from matcher.indexing.making import add_images, remove_images, replace_images
from matcher.indexing.telling import describe, faults
from tests.formats.test_rasters import write

pytest.importorskip("rasterio")

SIDE = 20


@pytest.fixture
def land():
    """Values of six rasters."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(500, 3000, (7, 16, 16, 4))
    return coarse.repeat(4, 1).repeat(4, 2).astype(np.uint16) + rng.integers(0, 99, (7, 64, 64, 4), np.uint16)


@pytest.fixture
def folder(tmp_path, land):
    """A folder of six rasters, numbered by their names."""
    (tmp_path / "tif").mkdir()
    for k in range(6):
        write(tmp_path / "tif" / f"{k}.tif", land[k])
    return tmp_path / "tif"


def _same(index, folder):
    """Whether an index reads, for each id, the file of that name."""
    source = matcher.open_index(index).source
    for k, identifier in enumerate(source.ids.tolist()):
        own = matcher.open_images(folder / f"{identifier}.tif")
        assert np.array_equal(source[k], own[0]), identifier
    return source.ids.tolist()


@pytest.mark.parametrize("named", ["folder", "glob", "list"])
def test_a_new_file_beside_them_shifts_nothing(tmp_path, folder, land, named):
    (tmp_path / "list.txt").write_text("".join(f"tif/{k}.tif\n" for k in range(6)))
    images = {"folder": folder, "glob": folder / "*.tif", "list": tmp_path / "list.txt"}[named]
    matcher.make_index(images, tmp_path / "index", [SIDE])
    write(folder / "00.tif", land[6])
    assert _same(tmp_path / "index", folder) == [0, 1, 2, 3, 4, 5]
    (folder / "2.tif").touch()
    assert not list(faults(tmp_path / "index"))
    remove_images(tmp_path / "index", [2])
    assert _same(tmp_path / "index", folder) == [0, 1, 3, 4, 5]


@pytest.mark.parametrize("offset", [None, 100])
def test_no_raster_is_opened_before_its_pixels_are_read(tmp_path, folder, monkeypatch, offset):
    matcher.make_index(folder, tmp_path / "index", [SIDE], offset=offset)
    whole = open_rasters(folder, offset=offset)
    monkeypatch.setattr(HANDLES, "get", None)
    source = matcher.open_index(tmp_path / "index").source
    assert [replace(one, name="") for one in source.rasters] == [
        replace(one, name="") for one in whole.rasters
    ]
    monkeypatch.undo()
    np.testing.assert_array_equal(source[3], whole[3])


@pytest.mark.parametrize("how", ["within", "header"])
def test_bad_files_that_are_passed_over_shift_nothing(tmp_path, folder, how):
    data = bytearray((folder / "2.tif").read_bytes())
    if how == "within":
        write(folder / "2.tif", np.zeros((64, 64, 4), np.uint16))
    else:
        (folder / "2.tif").write_bytes(bytes(len(data)))
    bad = []
    matcher.make_index(folder, tmp_path / "index", [SIDE], on_bad=bad.append)
    assert len(bad) == 1
    assert _same(tmp_path / "index", folder) == [0, 1, 3, 4, 5]


def test_files_of_a_band_each_are_one_raster_still(tmp_path, land):
    (tmp_path / "tif").mkdir()
    for k in range(3):
        for n, name in enumerate(("B02", "B03", "B04", "B08")):
            write(tmp_path / "tif" / f"scene{k}_{name}.tif", land[k][..., n : n + 1])
    matcher.make_index(tmp_path / "tif", tmp_path / "index", [SIDE])
    before = list(matcher.open_index(tmp_path / "index").source)
    for n, name in enumerate(("B02", "B03", "B04", "B08")):
        write(tmp_path / "tif" / f"scene0b_{name}.tif", land[4][..., n : n + 1])
    after = list(matcher.open_index(tmp_path / "index").source)
    assert len(after) == len(before) == 3
    assert all(map(np.array_equal, before, after))


def test_a_file_that_is_gone_can_be_taken_out(tmp_path, folder):
    matcher.make_index(folder, tmp_path / "index", [SIDE])
    (folder / "3.tif").unlink()
    with pytest.raises(FormatError, match=r"3\.tif: there is no such file.*index remove \S+ 3$"):
        matcher.open_index(tmp_path / "index")
    remove_images(tmp_path / "index", [3])
    assert _same(tmp_path / "index", folder) == [0, 1, 2, 4, 5]


def test_a_changed_raster_is_replaced_by_itself(tmp_path, folder, land):
    for k in range(6):
        (folder / f"{k}.tif").rename(folder / f"{'abcdef'[k]}.tif")
    matcher.make_index(folder, tmp_path / "index", [SIDE])
    write(folder / "c.tif", land[6])
    with pytest.raises(FormatError, match=r"index replace \S+ \S+c\.tif takes it"):
        matcher.open_index(tmp_path / "index")
    replace_images(tmp_path / "index", folder / "c.tif")
    source = matcher.open_index(tmp_path / "index").source
    assert source.ids.tolist() == list(range(6))
    assert np.array_equal(source[2], land[6])


class TestNumberedOn:
    """Images whose ids are not those of their files."""

    @pytest.fixture
    def index(self, tmp_path, land):
        for name, part in (("a", land[:3]), ("b", land[3:6])):
            np.savez(tmp_path / f"{name}.npz", **{str(k): one for k, one in enumerate(part)})
        matcher.make_index(tmp_path / "a.npz", tmp_path / "index", [SIDE])
        add_images(tmp_path / "index", tmp_path / "b.npz")
        return tmp_path / "index"

    def test_they_are_replaced_where_they_are(self, tmp_path, land, index):
        np.savez(tmp_path / "b.npz", **{str(k): one for k, one in enumerate(land[4:7])})
        with pytest.raises(FormatError, match=r"index replace \S+ \S+b\.npz takes it"):
            matcher.open_index(index)
        replace_images(index, tmp_path / "b.npz")
        source = matcher.open_index(index).source
        assert source.ids.tolist() == list(range(6))
        assert all(map(np.array_equal, source, [*land[:3], *land[4:7]]))

    def test_what_was_taken_out_stays_out(self, tmp_path, land, index):
        remove_images(index, [4])
        np.savez(tmp_path / "b.npz", **{str(k): one for k, one in enumerate(land[4:7])})
        replace_images(index, tmp_path / "b.npz")
        assert matcher.open_index(index).source.ids.tolist() == [0, 1, 2, 3, 5]

    def test_an_image_that_the_file_does_not_hold_any_more(self, tmp_path, land, index):
        np.savez(tmp_path / "b.npz", **{"0": land[6]})
        with pytest.raises(FormatError, match="does not hold the image any more that has the id 4"):
            replace_images(index, tmp_path / "b.npz")


def test_two_images_for_one_id(tmp_path, folder, land):
    matcher.make_index(folder, tmp_path / "index", [SIDE])
    write(folder / "00.tif", land[6])  # files are numbered in order, for two are called 0
    with pytest.raises(FormatError, match=r"1\.tif: has the id 1, as \S+00\.tif has: name those alone that"):
        replace_images(tmp_path / "index", folder)


class TestOffset:
    """Another offset is another index."""

    def test_of_what_is_no_raster(self, tmp_path, land):
        np.save(tmp_path / "a.npy", land[:1])
        with pytest.raises(
            SettingsError, match=r"a\.npy: the offset -1000 is added to the values of rasters, and"
        ):
            matcher.make_index(tmp_path / "a.npy", tmp_path / "index", [SIDE], offset=-1000)
        assert not (tmp_path / "index").exists()

    def test_further_sizes(self, tmp_path, folder):
        matcher.make_index(folder, tmp_path / "index", [SIDE], offset=0)
        with pytest.raises(ResumeError, match=r"offset_asked was 0\.0 and is -1000\.0"):
            matcher.make_index(folder, tmp_path / "index", [30], offset=-1000)

    def test_a_command_that_was_stopped(self, tmp_path, folder, monkeypatch):
        class Stopped(BaseException):
            pass

        def stop(done, _all):
            if done == 3:
                raise Stopped

        monkeypatch.setattr(completing, "_EVERY", 0.0)
        with pytest.raises(Stopped):
            matcher.make_index(folder, tmp_path / "index", [SIDE], offset=-1000, progress=stop)
        with pytest.raises(ResumeError, match="offset_asked"):
            matcher.make_index(folder, tmp_path / "index", [SIDE])


def test_what_it_is_of_in_words(tmp_path, folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matcher.make_index(folder.name, tmp_path / "index", [SIDE])
    assert "of tif: 6" in describe(tmp_path / "index")
