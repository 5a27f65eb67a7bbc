"""NumPy's files and arrays in memory, and how `open_images` chooses a reader."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

import matcher
from matcher.errors import FormatError, MatcherError
from matcher.formats.base import Source
from matcher.formats.files import CHUNK, FileBytes
from matcher.formats.npz import open_archive
from matcher.formats.official import write_images
from matcher.formats.opening import open_images, open_patches

DTYPES = ["u1", "<u2", ">u2", "<i2", "<f2", "<f4", ">f4", "<f8"]


def stack(*shape, dtype="<f4", seed=0):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def assert_same(source, pictures):
    assert isinstance(source, Source)
    assert len(source) == len(pictures)
    for k, picture in enumerate(pictures):
        picture = picture[..., None] if picture.ndim == 2 else picture
        assert source.shape(k) == picture.shape
        found = source[k]
        np.testing.assert_array_equal(found, picture)
        assert found.dtype == picture.dtype.newbyteorder("=")
        assert str(source.where(k)).startswith(source.name)


class TestNpy:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("shape", [(5, 7, 9, 4), (5, 7, 9), (1, 1, 1, 1), (3, 6, 2, 1)])
    def test_reads_stacks(self, tmp_path, dtype, shape):
        pictures = stack(*shape, dtype=dtype)
        np.save(tmp_path / "a.npy", pictures)
        source = open_images(tmp_path / "a.npy")
        assert_same(source, pictures)
        assert source.ids.tolist() == list(range(shape[0]))
        source[0][:] = 0  # the caller's own
        assert_same(source, pictures)

    def test_fortran_order(self, tmp_path):
        pictures = stack(4, 5, 6, 3)
        np.save(tmp_path / "a.npy", np.asfortranarray(pictures))
        assert_same(open_images(tmp_path / "a.npy"), pictures)

    def test_offsets_are_the_files(self, tmp_path):
        pictures = stack(4, 5, 6, 3)
        np.save(tmp_path / "a.npy", pictures)
        source = open_images(tmp_path / "a.npy")
        assert source.where(2) == f"{tmp_path / 'a.npy'}, record 2 at byte {128 + 2 * 360}"
        content = (tmp_path / "a.npy").read_bytes()
        assert content[128 + 2 * 360 :][:360] == pictures[2].tobytes()
        with pytest.raises(IndexError):
            source[4]
        np.testing.assert_array_equal(source[-1], pictures[3])

    def test_truncation_at_every_byte(self, tmp_path):
        np.save(tmp_path / "a.npy", stack(2, 3, 3, 1))
        whole = (tmp_path / "a.npy").read_bytes()
        for size in range(len(whole)):
            (tmp_path / "a.npy").write_bytes(whole[:size])
            with pytest.raises(FormatError, match=r"a\.npy"):
                open_images(tmp_path / "a.npy")

    def test_any_header_byte_is_read_or_refused(self, tmp_path):
        np.save(tmp_path / "a.npy", stack(2, 3, 3, 1))
        whole = (tmp_path / "a.npy").read_bytes()
        for at in range(128):
            for flip in (0x01, 0x10, 0xFF):
                damaged = bytearray(whole)
                damaged[at] ^= flip
                (tmp_path / "a.npy").write_bytes(damaged)
                try:
                    source = open_images(tmp_path / "a.npy")
                except MatcherError:
                    continue
                assert sum(picture.nbytes for picture in source) <= 72

    def test_truncated_after_opening(self, tmp_path):
        np.save(tmp_path / "a.npy", stack(2, 3, 3, 1))
        source = open_images(tmp_path / "a.npy")
        with open(tmp_path / "a.npy", "r+b") as file:
            file.truncate(140)
        with pytest.raises(FormatError, match="too early"):
            source[1]


class TestNpz:
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_one_array_an_image(self, tmp_path, save):
        """As the cutter of the real challenges writes them, sizes and here dtypes differing."""
        pictures = {"7": stack(5, 6, 3), "0": stack(8, 2, 3, dtype="u1"), "300": stack(4, 4, 3, dtype=">u2")}
        pictures["12"] = np.asfortranarray(stack(9, 7, 3))
        save(tmp_path / "a.npz", **pictures)
        source = open_images(tmp_path / "a.npz")
        assert source.ids.tolist() == [7, 0, 300, 12]
        assert_same(source, list(pictures.values()))
        assert source.where(1).startswith(f"{tmp_path / 'a.npz'}, array '0' at byte ")

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_other_names_are_numbered(self, tmp_path, save):
        pictures = [stack(5, 6), stack(8, 2), stack(6, 6)]
        save(tmp_path / "a.npz", *pictures)
        source = open_images(tmp_path / "a.npz")
        assert source.ids.tolist() == [0, 1, 2]
        assert_same(source, pictures)

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    @pytest.mark.parametrize("order", ["C", "F"])
    def test_stacks_with_ids(self, tmp_path, save, order):
        patches = np.array(stack(6, 5, 5, 4), order=order)
        save(tmp_path / "p.npz", patches=patches, ids=np.array([9, 3, 4, 5, 100, 0], np.uint16))
        source = open_patches(tmp_path / "p.npz")
        assert source.ids.tolist() == [9, 3, 4, 5, 100, 0]
        assert source.ids.dtype == np.int64
        assert_same(source, patches)
        assert_same(pickle.loads(pickle.dumps(source)), patches)

    def test_which_stack(self, tmp_path):
        images, patches = stack(2, 9, 9, 4), stack(3, 5, 5, 4)
        np.savez(tmp_path / "a.npz", patches=patches, images=images, bands=["r", "g", "b", "n"])
        assert_same(open_images(tmp_path / "a.npz"), images)
        assert_same(open_patches(tmp_path / "a.npz"), patches)
        np.savez(tmp_path / "b.npz", images)
        assert_same(open_patches(tmp_path / "b.npz"), images)

    @pytest.mark.slow
    def test_a_large_compressed_stack_leaves_no_file(self, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
        (tmp_path / "tmp").mkdir()
        patches = stack(3, 1000, 800, 1)
        assert patches.nbytes > 2 * CHUNK
        np.savez_compressed(tmp_path / "p.npz", patches=patches)
        assert_same(open_patches(tmp_path / "p.npz"), patches)
        assert list((tmp_path / "tmp").iterdir()) == []

    @pytest.mark.slow
    @pytest.mark.parametrize("flip", [0x01, 0xFF])
    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_a_flipped_byte_is_seen(self, tmp_path, save, flip):
        path = tmp_path / "a.npz"
        for arrays in ({"patches": stack(2, 4, 4, 1)}, {"3": stack(4, 4, 1), "4": stack(4, 4, 1)}):
            save(path, **arrays)
            good = open_patches(path)
            wanted = list(good)
            whole = path.read_bytes()
            refused = 0
            for at in range(len(whole)):
                damaged = bytearray(whole)
                damaged[at] ^= flip
                path.write_bytes(damaged)
                try:
                    source = open_patches(path)
                    found = list(source)
                except MatcherError as error:
                    assert str(path) in str(error)  # noqa: PT017
                    refused += 1
                    continue
                assert source.ids.tolist() == good.ids.tolist()
                for a, b in zip(found, wanted, strict=True):  # dates, names and flags that say nothing
                    np.testing.assert_array_equal(a, b)
            assert refused > len(whole) / 2

    def test_truncation_at_every_byte(self, tmp_path):
        np.savez(tmp_path / "a.npz", **{"3": stack(3, 3, 1)})
        whole = (tmp_path / "a.npz").read_bytes()
        for size in range(len(whole)):
            (tmp_path / "a.npz").write_bytes(whole[:size])
            with pytest.raises(FormatError, match=r"a\.npz"):
                open_images(tmp_path / "a.npz")

    def test_bad_arrays_can_be_left_out(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, **{"3": stack(20, 20, 1), "4": stack(4), "5": stack(20, 20, 1, seed=1)})
        damaged = bytearray(path.read_bytes())
        damaged[600] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=r"array '3': is corrupt"):
            open_images(path)
        bad = []
        source = open_images(path, on_bad=bad.append)
        assert source.ids.tolist() == [5]
        np.testing.assert_array_equal(source[0], stack(20, 20, 1, seed=1))
        assert [(b.file, b.record, b.id) for b in bad] == [(str(path), -1, 3), (str(path), -1, 4)]
        assert "array '3': is corrupt" in str(bad[0])
        assert "(height, width" in str(bad[1])

    @pytest.mark.parametrize(
        ("arrays", "words"),
        [
            ({"3": stack(4, 4, 1), "mean": stack(4, 4, 1)}, "'mean'"),
            ({"3": stack(4, 4, 1), "03": stack(4, 4, 1)}, "id 3 stands 2 times"),
            ({"3": stack(4, 4, 1), "4": stack(4, 4, 2)}, r"array '4'.*2 bands.*has 1"),
            ({"3": stack(4, 4, 1), "4": stack(4, 4, 1, dtype="c8")}, "array '4'.*complex64"),
            ({"3": np.array([{"a": 1}], dtype=object)}, "Python objects"),
            ({"3": np.array("word")}, "<U4"),
            ({"3": stack(0, 4, 1)}, "no pixel"),
            ({"patches": stack(2, 4, 4, 1), "ids": np.arange(3)}, "2 pictures, and ids"),
            ({"patches": stack(2, 4, 4, 1), "ids": np.array([1, 1])}, "id 1 stands 2 times"),
            ({"patches": stack(2, 4, 4, 1), "ids": np.array([-1, 1])}, "id -1 is out of range"),
            ({"patches": stack(2, 4, 4, 1), "ids": np.array([2**64 - 1, 1], np.uint64)}, "out of range"),
            ({"patches": stack(2, 4, 4, 1), "ids": np.array([0.0, 1.0])}, "dtype float64"),
            ({"patches": stack(0, 4, 4, 1)}, "holds no picture"),
            ({"patches": stack(4, 4)}, r"\(4, 4\)"),
            ({}, "holds no array"),
        ],
    )
    def test_archives_of_no_use(self, tmp_path, arrays, words):
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(FormatError, match=words) as caught:
            open_patches(tmp_path / "a.npz")
        assert str(tmp_path / "a.npz") in str(caught.value)

    @pytest.mark.slow
    @pytest.mark.parametrize("count", [65535, 65536])
    def test_as_many_arrays_as_zip64_is_for(self, tmp_path, count):
        one = io.BytesIO()
        np.save(one, np.full((2, 2, 1), 7, np.uint8))
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            for k in range(count):
                archive.writestr(f"{k}.npy", one.getvalue())
        members = open_archive(tmp_path / "a.npz")
        assert len(members) == count
        last = members[str(count - 1)]
        assert last.load(last.check()).tolist() == [[[7], [7]], [[7], [7]]]

    def test_an_archive_with_a_comment(self, tmp_path):
        np.savez(tmp_path / "a.npz", **{"3": stack(3, 3, 1)})
        with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
            archive.comment = b"made by hand"
        assert_same(open_images(tmp_path / "a.npz"), [stack(3, 3, 1)])

    def test_other_zips(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("readme.txt", "hello")
        with pytest.raises(FormatError, match=r"readme.txt.*numpy.savez"):
            open_images(tmp_path / "a.npz")
        with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr("3.npy", b"x" * 100)
        with pytest.raises(FormatError, match="packed in a way"):
            open_images(tmp_path / "a.npz")


class TestMemory:
    @pytest.mark.parametrize("shape", [(3, 8, 8, 4), (3, 8, 8), (1, 3, 3, 1)])
    def test_stacks_and_lists(self, shape):
        pictures = stack(*shape)
        assert_same(open_images(pictures), pictures)
        assert_same(open_images(list(pictures)), pictures)
        assert_same(open_images(tuple(p.tolist() for p in pictures)), pictures.astype(np.int64).astype("f8"))

    def test_ids_sizes_and_dtypes(self):
        pictures = [stack(4, 5, 2), stack(6, 3, 2, dtype="u1")]
        source = open_patches(pictures, ids=[8, 2])
        assert source.ids.tolist() == [8, 2]
        assert source.where(1) == "array of patches, picture 1"
        assert_same(source, pictures)

    def test_an_opened_source_is_handed_back(self):
        source = open_images(stack(2, 4, 4, 1))
        assert open_images(source) is source
        assert open_images(source, bands=1, shape=(4, 4, 1)) is source

    @pytest.mark.parametrize(
        ("what", "words"),
        [
            ([], "holds no picture"),
            (np.zeros((0, 4, 4, 1)), "holds no picture"),
            (np.zeros((2, 0, 4, 1)), "no pixel"),
            (np.zeros((4, 4)), "was expected"),
            (np.zeros((64, 64, 4)), "looks like one picture"),
            (np.zeros((2, 4, 4, 1), bool), "dtype bool"),
            (np.zeros((2, 4, 4, 1), "M8[s]"), "datetime64"),
            (np.zeros((2, 4, 4, 1), object), "dtype object"),
            ([np.zeros((4, 4, 1)), np.zeros(4)], "picture 1.*was expected"),
            ([np.zeros((4, 4, 1)), np.zeros((4, 4, 3))], "picture 1: has 3 bands"),
            ([[[1, 2], [3]]], "not a list of arrays"),
        ],
    )
    def test_arrays_of_no_use(self, what, words):
        with pytest.raises(FormatError, match=words):
            open_images(what)


class TestChoice:
    def test_by_content_where_the_name_says_nothing(self, tmp_path):
        pictures = stack(2, 4, 4, 4, dtype="f2")
        write_images(tmp_path / "a-00000-of-00001", pictures)
        assert_same(open_images(tmp_path / "a-00000-of-00001"), pictures)
        np.save(tmp_path / "b.npy", pictures)
        np.savez(tmp_path / "c.npz", images=pictures)
        for name in ("b.npy", "c.npz"):
            (tmp_path / name).rename(tmp_path / name[0])
            assert_same(open_images(str(tmp_path / name[0])), pictures)

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("a.tif", b"II*\x00" + bytes(20), "TIFF"),
            ("a.tfrecords.gz", b"\x1f\x8b" + bytes(20), "gzip.*unpack"),
            ("a.dat", b"whatever this is", "no form that is known"),
            ("a.dat", b"", "no form that is known"),
            ("a.npy", b"", "is empty"),
            ("a.npz", b"", "is empty"),
            ("a.npy", b"PK\x03\x04" + bytes(20), r"not an array in NumPy's \.npy form"),
            ("a.npz", b"\x93NUMPY" + bytes(20), r"not a \.npz archive"),
            ("a b\nü.tfrecords", b"", "is empty"),
        ],
    )
    def test_files_of_no_use(self, tmp_path, name, content, words):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError, match=words) as caught:
            open_images(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)

    def test_no_file_and_folder(self, tmp_path):
        with pytest.raises(FormatError, match=r"none.npz: there is no such file"):
            open_images(tmp_path / "none.npz")
        with pytest.raises(FormatError, match=r"folder without pictures; what is read: .*\.npy"):
            open_images(tmp_path)

    def test_things_that_are_no_pictures(self):
        with pytest.raises(MatcherError, match="not NoneType"):
            open_images(None)
        with pytest.raises(MatcherError, match="not int"):
            open_patches(3)
        with pytest.raises(MatcherError, match=r"not bytes$"):
            open_images(b"images.npy")

    def test_names_that_are_no_list(self, tmp_path):
        """What notebooks have at hand: what `glob` hands back, a column of a table."""
        np.save(tmp_path / "a.npy", stack(2, 4, 5, 3))
        names = [str(path) for path in tmp_path.glob("*.npy")]
        with pytest.raises(
            MatcherError, match=r"images are looked through more than once: give list\(\.\.\.\) of"
        ):
            open_images(tmp_path.glob("*.npy"))
        for several in (np.array(names), np.array(names, object)):
            with pytest.raises(
                FormatError, match=r"of texts or objects, not of numbers: give list\(\.\.\.\) of it"
            ):
                open_images(several)
            assert len(open_images(list(several))) == 2

    @pytest.mark.parametrize(
        "called",
        [
            open_images,
            lambda path: open_images(["b.npy", path]),
            matcher.open_series,
            matcher.features,
            matcher.open_index,
            lambda path: matcher.make_index("a.npy", path, [64]),
        ],
    )
    def test_a_path_of_bytes(self, called, tmp_path):
        """`os.scandir` of bytes hands them back."""
        np.save(tmp_path / "a.npy", stack(2, 4, 5, 3))
        (entry,) = os.scandir(os.fsencode(tmp_path))
        with pytest.raises(MatcherError, match=r"<DirEntry b'a\.npy'>: give the path of a file or folder"):
            called(entry)

    def test_options_must_fit(self, tmp_path):
        np.save(tmp_path / "a.npy", stack(2, 4, 5, 3))
        assert len(open_images(tmp_path / "a.npy", bands=3, shape=(4, 5, 3))) == 2
        with pytest.raises(FormatError, match=r"record 0 at byte 128: has the shape \(4, 5, 3\); 4 bands"):
            open_images(tmp_path / "a.npy", bands=4)
        with pytest.raises(FormatError, match=r"the shape \(5, 4, 3\) was asked for"):
            open_images(tmp_path / "a.npy", shape=(5, 4, 3))
        with pytest.raises(MatcherError, match="with arrays only"):
            open_images(tmp_path / "a.npy", ids=[1, 2])

    def test_an_unreadable_range_names_file_and_byte(self, tmp_path):
        (tmp_path / "a").write_bytes(b"12345")
        with pytest.raises(FormatError, match="a: ends at byte 5, 2 bytes too early"):
            FileBytes(tmp_path / "a").read(3, 4)
