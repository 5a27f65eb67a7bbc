"""The official TFRecords: against TensorFlow in both directions, and bad records one by one."""

import os
import pickle

import numpy as np
import pytest

from matcher.errors import FormatError, MatcherError
from matcher.formats.base import Source
from matcher.formats.example import encode_example
from matcher.formats.official import write_images, write_patches, write_series
from matcher.formats.opening import open_images, open_patches, open_series
from matcher.formats.tfrecord import frame, write_records


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float16)


def patch_record(identifier, picture):
    return encode_example({"patch_raw": np.asarray(picture).astype("<f2").tobytes(), "patch_id": identifier})


@pytest.fixture
def path(tmp_path):
    """Three patches of 8 x 8 px with ids 5, 0, 38399."""
    path = tmp_path / "tiny.tfrecords"
    write_patches(path, pixels(3, 8, 8, 4), [5, 0, 38399])
    return path


def test_windows_are_those_of_the_whole(path):
    source = open_patches(path)
    for k in range(3):
        whole = source[k]
        window = source.read(k, 2, 1, 5, 6)
        np.testing.assert_array_equal(window, whole[2:7, 1:7])
        window[:] = 0  # the caller's own
        np.testing.assert_array_equal(source[k], whole)


def write_by_tensorflow(path, features):
    tf = pytest.importorskip("tensorflow")
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in features:
            feature = {
                k: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v]))
                if isinstance(v, bytes)
                else tf.train.Feature(int64_list=tf.train.Int64List(value=[v]))
                for k, v in record.items()
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


@pytest.mark.slow
class TestAgainstTensorFlow:
    def test_reads_images_and_patches(self, tmp_path):
        for noun, opener in (("image", open_images), ("patch", open_patches)):
            pictures = pixels(4, 16, 16, 4)
            path = tmp_path / f"test_{noun}s.tfrecords"
            write_by_tensorflow(
                path, [{f"{noun}_raw": p.tobytes(), f"{noun}_id": 2 * k} for k, p in enumerate(pictures)]
            )
            source = opener(path)
            assert source.ids.tolist() == [0, 2, 4, 6]
            assert source.ids.dtype == np.int64
            for k in range(4):
                assert source.shape(k) == (16, 16, 4)
                assert source[k].dtype == np.float16
                np.testing.assert_array_equal(source[k], pictures[k])

    def test_reads_series(self, tmp_path):
        stack = pixels(2, 8, 8, 48)
        path = tmp_path / "train.tfrecords"
        write_by_tensorflow(path, [{"time_series_raw": s.tobytes()} for s in stack])
        series = open_series(path)
        assert len(series) == 2
        assert series.shape(1) == (12, 8, 8, 4)
        for date in range(12):
            np.testing.assert_array_equal(series[1][date], stack[1][..., 4 * date : 4 * date + 4])

    def test_tensorflow_reads_what_is_written(self, path, tmp_path):
        tf = pytest.importorskip("tensorflow")
        spec = {
            "patch_raw": tf.io.FixedLenFeature([], tf.string),
            "patch_id": tf.io.FixedLenFeature([], tf.int64),
        }
        found = [tf.io.parse_single_example(r, spec) for r in tf.data.TFRecordDataset(str(path))]
        assert [int(f["patch_id"]) for f in found] == [5, 0, 38399]
        for f, picture in zip(found, pixels(3, 8, 8, 4), strict=True):
            read = tf.reshape(tf.io.decode_raw(f["patch_raw"], tf.float16), (8, 8, 4))
            np.testing.assert_array_equal(read, picture)
        write_images(tmp_path / "i.tfrecords", pixels(2, 8, 8, 4))
        spec = {
            "image_raw": tf.io.FixedLenFeature([], tf.string),
            "image_id": tf.io.FixedLenFeature([], tf.int64),
        }
        found = [
            tf.io.parse_single_example(r, spec)
            for r in tf.data.TFRecordDataset(str(tmp_path / "i.tfrecords"))
        ]
        assert [int(f["image_id"]) for f in found] == [0, 1]

    def test_tensorflow_reads_the_series_written(self, tmp_path):
        tf = pytest.importorskip("tensorflow")
        stack = pixels(2, 12, 8, 8, 4)
        write_series(tmp_path / "s.tfrecords", stack)
        spec = {"time_series_raw": tf.io.FixedLenFeature([], tf.string)}
        for k, record in enumerate(tf.data.TFRecordDataset(str(tmp_path / "s.tfrecords"))):
            raw = tf.io.parse_single_example(record, spec)["time_series_raw"]
            channels = np.asarray(tf.reshape(tf.io.decode_raw(raw, tf.float16), (8, 8, 48)))
            for date in range(12):
                np.testing.assert_array_equal(channels[..., 4 * date : 4 * date + 4], stack[k, date])


class TestReading:
    def test_is_a_source(self, path):
        source = open_patches(path)
        assert isinstance(source, Source)
        assert source.name == str(path)
        assert len(source) == 3
        assert source.where(0) == f"{path}, record 0 at byte 0"
        assert source.where(1).startswith(f"{path}, record 1 at byte 5")
        assert [p.shape for p in source] == [(8, 8, 4)] * 3  # plain iteration ends

    def test_pictures_are_the_callers_own(self, path):
        source = open_patches(path)
        source[0][:] = 0
        assert source[0].any()

    def test_sizes_may_differ(self, tmp_path):
        pictures = [pixels(n, n, 4, seed=n) for n in (3, 9, 5)]
        write_images(tmp_path / "i.tfrecords", pictures)
        source = open_images(tmp_path / "i.tfrecords")
        assert [source.shape(k) for k in range(3)] == [(3, 3, 4), (9, 9, 4), (5, 5, 4)]
        for k in range(3):
            np.testing.assert_array_equal(source[k], pictures[k])

    def test_bands_and_shape_by_option(self, tmp_path):
        path = tmp_path / "i.tfrecords"
        picture = pixels(6, 8, 3)  # 288 bytes: a square of four bands too
        write_images(path, [picture])
        assert open_images(path).shape(0) == (6, 6, 4)
        np.testing.assert_array_equal(open_images(path, shape=(6, 8, 3))[0], picture)
        with pytest.raises(FormatError, match=r"record 0 at byte 0: .*no square of 3 bands"):
            open_images(path, bands=3)
        with pytest.raises(FormatError, match=r"288 bytes.*8 x 8 x 3"):
            open_images(path, shape=(8, 8, 3))
        with pytest.raises(MatcherError, match="of 4 bands"):
            open_images(path, shape=(6, 8, 3), bands=4)
        for wrong in ({"bands": 0}, {"shape": (6, 8)}, {"shape": (0, 8, 4)}):
            with pytest.raises(MatcherError):
                open_images(path, **wrong)

    def test_nan_and_inf_come_through(self, tmp_path):
        picture = pixels(4, 4, 4)
        picture[0, 0] = np.nan, np.inf, -np.inf, -0.0
        write_images(tmp_path / "i.tfrecords", [picture])
        assert open_images(tmp_path / "i.tfrecords")[0].tobytes() == picture.tobytes()

    def test_pickles(self, path):
        source = pickle.loads(pickle.dumps(open_patches(path)))
        np.testing.assert_array_equal(source[2], pixels(3, 8, 8, 4)[2])
        assert source.ids.tolist() == [5, 0, 38399]

    def test_swapped_files_are_named(self, path):
        with pytest.raises(
            FormatError, match=r"lacks the feature 'image_raw' \(its features: 'patch_id', 'patch_raw'\)"
        ):
            open_images(path)

    def test_change_after_opening(self, path):
        source = open_patches(path)
        with open(path, "r+b") as file:
            file.seek(600)
            file.write(b"???")
        os.utime(path, (0, 0))  # a file system's clock may not have gone on
        for read in (lambda: source[1], lambda: source.read(1, 7, 7, 1, 1)):
            with pytest.raises(FormatError, match=r"record 1 at byte .*changed"):
                read()

    def test_sound_records_written_over_those_that_were_opened(self, path, tmp_path):
        source, other = open_patches(path), pixels(3, 8, 8, 4, seed=1)
        ids = [5, 0, 38399]
        examples = [{"patch_id": k, "patch_raw": p.tobytes()} for k, p in zip(ids, other, strict=True)]
        write_records(tmp_path / "other", map(encode_example, examples))  # the pixels lie elsewhere in them
        path.write_bytes((tmp_path / "other").read_bytes())
        os.utime(path, (0, 0))
        for k in range(3):
            np.testing.assert_array_equal(source[k], other[k])
            np.testing.assert_array_equal(source.read(k, 1, 2, 3, 4), other[k][1:4, 2:6])


class TestBadRecords:
    @pytest.mark.slow
    def test_truncation_at_every_byte(self, path, tmp_path):
        whole = path.read_bytes()
        good = open_patches(path)
        starts = [int(good.where(k).split()[-1]) for k in range(3)] + [len(whole)]
        other = tmp_path / "cut.tfrecords"
        for size in range(len(whole)):
            other.write_bytes(whole[:size])
            full = sum(end <= size for end in starts[1:])
            if size in starts[1:]:
                assert open_patches(other).ids.tolist() == good.ids.tolist()[:full]
                continue
            with pytest.raises(FormatError, match=f"{other}"):
                open_patches(other)
            bad = []
            if full:
                source = open_patches(other, on_bad=bad.append)
                assert source.ids.tolist() == good.ids.tolist()[:full]
                assert [(b.record, b.offset) for b in bad] == [(full, starts[full])]
                assert bad[0].id in (None, good.ids[full])

    @pytest.mark.slow
    @pytest.mark.parametrize("flip", [0x01, 0xFF])
    def test_one_flipped_byte_at_every_place(self, path, tmp_path, flip):
        whole = path.read_bytes()
        good = open_patches(path)
        starts = np.array([int(good.where(k).split()[-1]) for k in range(3)])
        pictures = {int(i): good[k] for k, i in enumerate(good.ids)}
        other = tmp_path / "flipped.tfrecords"
        for at in range(len(whole)):
            damaged = bytearray(whole)
            damaged[at] ^= flip
            other.write_bytes(damaged)
            with pytest.raises(FormatError, match=r"record \d at byte \d+"):
                open_patches(other)
            bad = []
            source = open_patches(other, on_bad=bad.append)
            hit = int(np.searchsorted(starts, at, side="right")) - 1
            assert [(b.record, b.offset) for b in bad] == [(hit, starts[hit])]
            assert source.ids.tolist() == np.delete(good.ids, hit).tolist()
            for k, identifier in enumerate(source.ids):
                np.testing.assert_array_equal(source[k], pictures[int(identifier)])

    def test_the_id_of_a_damaged_record_is_found(self, path, tmp_path):
        damaged = bytearray(path.read_bytes())
        damaged[700] ^= 1
        other = tmp_path / "bad.tfrecords"
        other.write_bytes(damaged)
        bad = []
        assert open_patches(other, on_bad=bad.append).ids.tolist() == [5, 38399]
        assert (bad[0].file, bad[0].record, bad[0].id) == (str(other), 1, 0)
        assert "checksum" in bad[0].reason
        assert str(bad[0]).startswith(f"{other}, record 1 at byte {bad[0].offset}: ")

    @pytest.mark.parametrize(
        ("record", "words", "identifier"),
        [
            (encode_example({"patch_id": 7}), "lacks the feature 'patch_raw'", 7),
            (encode_example({"patch_raw": bytes(512)}), "lacks the feature 'patch_id'", None),
            (
                encode_example({"image_raw": bytes(512), "image_id": 7}),
                "its features: 'image_id', 'image_raw'",
                None,
            ),
            (encode_example({"patch_raw": bytes(511), "patch_id": 7}), "511 bytes", 7),
            (encode_example({"patch_raw": b"", "patch_id": 7}), "0 bytes", 7),
            (
                encode_example({"patch_raw": bytes(8 * 8 * 4 * 4), "patch_id": 7}),
                None,
                7,
            ),  # float32
            (encode_example({"patch_raw": [bytes(512)] * 2, "patch_id": 7}), "not one string", 7),
            (encode_example({"patch_raw": 5, "patch_id": 7}), "not one string", 7),
            (encode_example({"patch_raw": bytes(512), "patch_id": -1}), "negative: -1", None),
            (encode_example({"patch_raw": bytes(512), "patch_id": [1, 2]}), "not one whole number", None),
            (encode_example({"patch_raw": bytes(512), "patch_id": b"7"}), "not one whole number", None),
            (encode_example({"patch_raw": bytes(512), "patch_id": 5}), "5 is taken by record 0", None),
            (b"garbage", "not an Example", None),
            (b"", "its features: none", None),
        ],
    )
    def test_sound_records_of_no_use(self, tmp_path, record, words, identifier):
        path = tmp_path / "p.tfrecords"
        good = patch_record(5, pixels(8, 8, 4))
        write_records(path, [good, record, patch_record(6, pixels(8, 8, 4))])
        options = {} if words else {"shape": (8, 8, 4)}
        with pytest.raises(
            FormatError, match=f"p.tfrecords, record 1 at byte {len(frame(good))}: .*{words or '1024'}"
        ):
            open_patches(path, **options)
        bad = []
        assert open_patches(path, on_bad=bad.append, **options).ids.tolist() == [5, 6]
        assert [(b.record, b.offset, b.id) for b in bad] == [(1, len(frame(good)), identifier)]

    def test_nothing_good_raises_all_the_same(self, tmp_path):
        path = tmp_path / "p.tfrecords"
        write_records(path, [b"garbage", b"more"])
        bad = []
        with pytest.raises(
            FormatError, match=r"holds no usable patch; the first fault: .*record 0 at byte 0"
        ):
            open_patches(path, on_bad=bad.append)

    def test_two_bad_records_of_one_id_give_it_once(self, tmp_path):
        path = tmp_path / "p.tfrecords"
        short = encode_example({"patch_raw": bytes(3), "patch_id": 7})
        write_records(path, [short, patch_record(5, pixels(8, 8, 4)), short])
        bad = []
        open_patches(path, on_bad=bad.append)
        assert [b.id for b in bad] == [7, None]


class TestSeries:
    def test_round_trip_over_a_folder(self, tmp_path):
        stack = pixels(5, 12, 6, 6, 4)
        write_series(tmp_path / "b.tfrecords", stack[3:])
        write_series(tmp_path / "a.tfrecords", stack[:3])
        series = open_series(tmp_path)
        assert len(series) == 5
        for k in range(5):
            np.testing.assert_array_equal(series[k], stack[k])
        np.testing.assert_array_equal(series[-1], stack[4])
        assert series.where(3) == f"{tmp_path / 'b.tfrecords'}, record 0 at byte 0"
        with pytest.raises(IndexError):
            series[5]
        again = open_series([tmp_path / "b.tfrecords", tmp_path / "a.tfrecords"])
        np.testing.assert_array_equal(again[0], stack[3])

    def test_other_numbers_of_dates_and_shapes(self, tmp_path):
        stack = pixels(1, 3, 4, 6, 2)
        write_series(tmp_path / "a.tfrecords", stack)
        series = open_series(tmp_path / "a.tfrecords", shape=(4, 6, 6), dates=3, bands=2)
        np.testing.assert_array_equal(series[0], stack[0])
        with pytest.raises(MatcherError, match="12 dates of 4 bands"):
            open_series(tmp_path / "a.tfrecords", shape=(4, 6, 6))
        with pytest.raises(FormatError, match="no square of 48 bands"):
            open_series(tmp_path / "a.tfrecords")

    def test_an_empty_folder_and_none(self, tmp_path):
        with pytest.raises(FormatError, match="has no file"):
            open_series(tmp_path)
        with pytest.raises(FormatError, match="no file"):
            open_series([])


class TestWriting:
    def test_values_are_little_endian_float16(self, tmp_path):
        picture = np.arange(16, dtype=">f8").reshape(2, 2, 4)
        write_images(tmp_path / "i.tfrecords", [picture])
        source = open_images(tmp_path / "i.tfrecords")
        np.testing.assert_array_equal(source[0], picture)
        assert picture.astype("<f2").tobytes() in (tmp_path / "i.tfrecords").read_bytes()

    @pytest.mark.parametrize("ids", [[1], [1, 2, 3], [1, 1], [-1, 2], [2**63, 1]])
    def test_ids_that_do_not_fit(self, tmp_path, ids):
        with pytest.raises(MatcherError):
            write_images(tmp_path / "i.tfrecords", pixels(2, 4, 4, 4), ids)
        assert os.listdir(tmp_path) == []

    def test_pictures_that_do_not_fit(self, tmp_path):
        with pytest.raises(MatcherError, match="height, width, bands"):
            write_images(tmp_path / "i.tfrecords", pixels(2, 4, 4))
        with pytest.raises(MatcherError, match="dates, height, width, bands"):
            write_series(tmp_path / "s.tfrecords", pixels(2, 4, 4, 4))
        assert os.listdir(tmp_path) == []
