"""TFRecord framing and the Example inside: against TensorFlow, and against every kind of damage."""

import gzip
import os
import pickle
import struct
import threading
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.errors import FormatError, MatcherError
from matcher.formats.example import encode_example, find_int64, parse_example
from matcher.formats.files import CHUNK, FileBytes
from matcher.formats.tfrecord import MAX_RECORD, frame, masked_crc, read_record, scan, write_records

RECORDS = [b"first record", b"", bytes(range(200)), b"last"]


def read_all(path, strict=True):
    """The data of all sound records; strict: the first damaged one raises."""
    out = []
    for record in scan(FileBytes(path)):
        if record.damage is None:
            out.append(record.data())
        elif strict:
            raise FormatError(record.damage)
    return out


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "some.tfrecords"
    write_records(path, RECORDS)
    return path


@pytest.mark.slow
class TestAgainstTensorFlow:
    def test_reads_what_tensorflow_writes(self, tmp_path):
        tf = pytest.importorskip("tensorflow")
        path = tmp_path / "tf.tfrecords"
        records = [*RECORDS, os.urandom(CHUNK + 5), os.urandom(3)]
        with tf.io.TFRecordWriter(str(path)) as writer:
            for data in records:
                writer.write(data)
        assert read_all(path) == records

    def test_writes_the_same_bytes(self, path, tmp_path):
        tf = pytest.importorskip("tensorflow")
        other = tmp_path / "tf.tfrecords"
        with tf.io.TFRecordWriter(str(other)) as writer:
            for data in RECORDS:
                writer.write(data)
        assert path.read_bytes() == other.read_bytes()

    def test_tensorflow_reads_what_is_written(self, path):
        tf = pytest.importorskip("tensorflow")
        assert [r.numpy() for r in tf.data.TFRecordDataset(str(path))] == RECORDS

    def test_parses_its_examples(self):
        tf = pytest.importorskip("tensorflow")
        feature = {
            "bytes": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"a", b"", b"\x00\xff" * 100])),
            "int64": tf.train.Feature(
                int64_list=tf.train.Int64List(value=[0, 1, -1, 2**63 - 1, -(2**63), 300])
            ),
            "float": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5, -2.0, 3e38])),
            "none": tf.train.Feature(),
            "ümlaut": tf.train.Feature(int64_list=tf.train.Int64List(value=[])),
        }
        data = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
        found = parse_example(data)
        assert set(found) == set(feature)
        assert [bytes(v) for v in found["bytes"]] == [b"a", b"", b"\x00\xff" * 100]
        assert found["int64"].tolist() == [0, 1, -1, 2**63 - 1, -(2**63), 300]
        assert found["int64"].dtype == np.int64
        assert found["float"].tolist() == np.float32([0.5, -2.0, 3e38]).tolist()
        assert found["none"] == []
        assert found["ümlaut"].tolist() == []

    def test_its_parser_reads_examples_written(self):
        tf = pytest.importorskip("tensorflow")
        example = tf.train.Example.FromString(
            encode_example({"raw": [b"one", b"two"], "id": -5, "many": [1, 2**40]})
        )
        assert list(example.features.feature["raw"].bytes_list.value) == [b"one", b"two"]
        assert list(example.features.feature["id"].int64_list.value) == [-5]
        assert list(example.features.feature["many"].int64_list.value) == [1, 2**40]

    def test_agrees_on_damaged_examples(self):
        """Whatever both parsers accept they read alike; and this one is no more lenient than that one."""
        tf = pytest.importorskip("tensorflow")
        data = encode_example({"raw": b"pixels", "id": [7, 2**40]})
        rng = np.random.default_rng(0)
        accepted = 0
        for _ in range(3000):
            damaged = bytearray(data)
            for _ in range(rng.integers(1, 3)):
                damaged[rng.integers(len(damaged))] = rng.integers(256)
            try:
                theirs = tf.train.Example.FromString(bytes(damaged)).features.feature
            except Exception:  # protobuf's DecodeError has no public home
                theirs = None
            try:
                ours = parse_example(bytes(damaged))
            except FormatError:
                continue
            assert theirs is not None, bytes(damaged)
            assert set(theirs) <= set(ours)  # it sets entries with unknown fields aside
            for name in theirs:
                value = ours[name]
                kind = theirs[name].WhichOneof("kind")
                if kind == "bytes_list":
                    assert [bytes(v) for v in value] == list(theirs[name].bytes_list.value)
                elif kind is None:
                    assert value == []
                else:
                    expected = getattr(theirs[name], kind).value
                    np.testing.assert_array_equal(value, np.array(expected, value.dtype))
            accepted += 1
        assert accepted > 300


def refused_or_read(data):
    """Whether bytes are refused as what they are, or read as bytes and numbers by name; any other error is raised."""
    try:
        features = parse_example(data)
    except FormatError:
        return True
    values = features.values()
    return all(isinstance(value, list) or value.dtype in (np.int64, np.float32) for value in values)


class TestExample:
    @given(
        st.dictionaries(
            st.text(max_size=8).filter(lambda s: not any(0xD800 <= ord(c) < 0xE000 for c in s)),
            st.one_of(
                st.lists(st.binary(max_size=300), min_size=1, max_size=3),
                st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5),
            ),
            max_size=4,
        )
    )
    def test_round_trip(self, features):
        found = parse_example(encode_example(features))
        assert {
            k: [bytes(x) if isinstance(x, memoryview) else int(x) for x in v] for k, v in found.items()
        } == features

    @given(st.binary(max_size=200))
    @settings(max_examples=500)
    def test_any_bytes_are_read_or_refused(self, data):
        assert refused_or_read(data)
        found = find_int64(data, "id")
        assert found is None or isinstance(found, int)

    @given(st.data())
    @settings(max_examples=500)
    def test_damaged_bytes_are_read_or_refused(self, data):
        whole = bytearray(encode_example({"raw": b"x" * 40, "id": [7, 2**40], "f": b""}))
        for _ in range(data.draw(st.integers(1, 4))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        assert refused_or_read(bytes(whole))
        found = find_int64(bytes(whole), "id")
        assert found is None or isinstance(found, int)

    def test_unpacked_numbers(self):
        """int64 values written one by one, as older writers do, and mixed with packed ones."""
        values = b"\x08\x05" + b"\x0a\x02\x06\x07" + b"\x08" + b"\xff" * 9 + b"\x01"
        feature = b"\x1a" + bytes([len(values)]) + values
        entry = b"\x0a\x02id" + b"\x12" + bytes([len(feature)]) + feature
        features = b"\x0a" + bytes([len(entry)]) + entry
        data = b"\x0a" + bytes([len(features)]) + features
        assert parse_example(data)["id"].tolist() == [5, 6, 7, -1]

    def test_truncation_at_every_byte(self):
        data = encode_example({"raw": b"pixels" * 3, "id": 300})
        for size in range(1, len(data)):
            with pytest.raises(FormatError):
                parse_example(data[:size])
        assert parse_example(b"") == {}

    def test_id_is_found_in_damaged_bytes(self):
        data = encode_example({"raw": b"x" * 500, "patch_id": 38399})
        assert find_int64(data[10:], "patch_id") == 38399
        assert find_int64(data, "image_id") is None
        assert find_int64(data[:-1], "patch_id") is None

    @pytest.mark.parametrize("value", [1.5, [b"a", 1], [1, b"a"], True, None])
    def test_other_values_are_refused(self, value):
        with pytest.raises(TypeError):
            encode_example({"x": value})

    def test_numbers_beyond_int64_are_refused(self):
        with pytest.raises(ValueError, match="int64"):
            encode_example({"x": 2**63})


class TestFraming:
    def test_round_trip(self, path):
        records = list(scan(FileBytes(path)))
        assert [r.data() for r in records] == RECORDS
        assert [r.number for r in records] == [0, 1, 2, 3]
        sizes = [len(r) + 16 for r in RECORDS]
        assert [r.offset for r in records] == [0, *np.cumsum(sizes)[:-1]]
        assert all(r.damage is None for r in records)

    def test_known_checksums(self):
        """CRC-32C of RFC 3720 B.4, masked by hand."""
        crc = 0x8A9136AA  # of 32 zero bytes
        assert masked_crc(bytes(32)) == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32

    def test_random_reads(self, path):
        file = FileBytes(path)
        records = list(scan(file))
        for k in (3, 0, 2, 1, 2):
            assert read_record(file, records[k].offset, records[k].length) == RECORDS[k]

    def test_reads_from_threads(self, tmp_path):
        path = tmp_path / "many.tfrecords"
        data = [bytes([k]) * (1000 + k) for k in range(200)]
        write_records(path, data)
        file = FileBytes(path)
        records = list(scan(file))
        failures = []

        def read(seed):
            for k in np.random.default_rng(seed).integers(len(data), size=300):
                if read_record(file, records[k].offset, records[k].length) != data[k]:
                    failures.append(k)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures

    def test_a_failing_writer_leaves_what_was_there(self, path, tmp_path):
        before = path.read_bytes()

        def records():
            yield b"one"
            raise RuntimeError("stop")

        with pytest.raises(RuntimeError):
            write_records(path, records())
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == [path.name]

    def test_writing_into_a_missing_folder(self, tmp_path):
        with pytest.raises(MatcherError, match="folder does not exist"):
            write_records(tmp_path / "no" / "a.tfrecords", [b"x"])

    def test_a_file_survives_pickling(self, path):
        file = pickle.loads(pickle.dumps(FileBytes(path)))
        assert file.read(12, 5) == b"first"

    def test_a_pickled_file_that_changed_is_refused(self, path):
        data = pickle.dumps(FileBytes(path))
        path.write_bytes(b"other")
        with pytest.raises(FormatError, match="changed"):
            pickle.loads(data)


class TestDamage:
    def test_truncation_at_every_byte(self, path, tmp_path):
        """Cut at a record's end a file is a shorter sound one; cut elsewhere the damage is named."""
        whole = path.read_bytes()
        ends = np.cumsum([len(r) + 16 for r in RECORDS]).tolist()
        other = tmp_path / "cut.tfrecords"
        for size in range(len(whole)):
            other.write_bytes(whole[:size])
            if size in ends:
                assert read_all(other) == RECORDS[: ends.index(size) + 1]
                continue
            with pytest.raises(FormatError):
                read_all(other)
            if size:
                full = sum(end <= size for end in ends)
                assert read_all(other, strict=False) == RECORDS[:full]

    @pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
    def test_one_flipped_byte_at_every_place(self, path, tmp_path, flip):
        """No flipped byte goes unseen, and none costs more than its own record."""
        whole = path.read_bytes()
        ends = np.cumsum([len(r) + 16 for r in RECORDS])
        other = tmp_path / "flipped.tfrecords"
        for at in range(len(whole)):
            damaged = bytearray(whole)
            damaged[at] ^= flip
            other.write_bytes(damaged)
            with pytest.raises(FormatError):
                read_all(other)
            hit = int(np.searchsorted(ends, at, side="right"))
            assert read_all(other, strict=False) == RECORDS[:hit] + RECORDS[hit + 1 :]

    def test_bytes_cut_out_or_put_in_cost_what_they_touch(self, tmp_path):
        records = [os.urandom(100) for _ in range(6)]
        whole = b"".join(map(frame, records))
        other = tmp_path / "spliced.tfrecords"
        for at in range(116, 232, 7):  # within record 1
            other.write_bytes(whole[:at] + whole[at + 5 :])
            assert set(records[3:]) | {records[0]} <= set(read_all(other, strict=False)) < set(records)
            other.write_bytes(whole[:at] + b"\0" * 40 + whole[at:])
            assert set(read_all(other, strict=False)) >= set(records) - {records[1]}

    @pytest.mark.parametrize("length", [MAX_RECORD - 1, MAX_RECORD + 1, 2**32, 2**40, 2**63, 2**64 - 1])
    def test_huge_length_with_valid_checksum(self, tmp_path, length):
        path = tmp_path / "huge.tfrecords"
        header = struct.pack("<Q", length)
        path.write_bytes(header + struct.pack("<I", masked_crc(header)) + b"x" * 100 + frame(b"after"))
        tracemalloc.start()
        try:
            with pytest.raises(FormatError, match=r"truncated|beyond any record"):
                read_all(path)
            assert read_all(path, strict=False) == [b"after"]
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()

    def test_huge_length_in_a_file_that_has_the_bytes(self, tmp_path):
        """A sparse file: the length could be true, but nothing of that size is read."""
        path = tmp_path / "sparse.tfrecords"
        header = struct.pack("<Q", MAX_RECORD + 1)
        path.write_bytes(header + struct.pack("<I", masked_crc(header)))
        os.truncate(path, MAX_RECORD + 100)
        record = next(scan(FileBytes(path)))
        assert "beyond any record" in record.damage

    def test_a_long_record_is_read_in_pieces(self, tmp_path):
        path = tmp_path / "long.tfrecords"
        data = bytes(5 * CHUNK + 7)
        write_records(path, [data])
        tracemalloc.start()
        try:
            [record] = scan(FileBytes(path))
            assert tracemalloc.get_traced_memory()[1] < 3 * CHUNK
        finally:
            tracemalloc.stop()
        assert record.damage is None
        assert record.data() == data

    def test_a_change_after_opening_is_seen(self, path):
        file = FileBytes(path)
        record = list(scan(file))[2]
        with open(path, "r+b") as change:
            change.seek(record.offset + 20)
            change.write(b"!!")
        with pytest.raises(FormatError, match="changed"):
            read_record(file, record.offset, record.length)
        os.truncate(path, 10)
        with pytest.raises(FormatError, match="too early"):
            read_record(file, record.offset, record.length)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "is empty"),
            (gzip.compress(frame(b"x"), mtime=0), "gzip.*unpack"),
            (b"\x93NUMPY\x01\x00" + b"x" * 100, "NumPy"),
            (b"PK\x03\x04" + b"x" * 100, "zip"),
            (b"II*\x00" + b"x" * 100, "TIFF"),
            (b"Patch ID,Result\n1,2 3 4\n", "not a TFRecord file"),
            *((zlib.compress(frame(b"x"), level), "zlib.*unpack") for level in (1, 5, 6, 9)),
            (b"\x00" * 5000, "not a TFRecord file"),
            (b"short", "truncated"),
        ],
    )
    def test_other_files(self, tmp_path, content, words):
        path = tmp_path / "other.tfrecords"
        path.write_bytes(content)
        with pytest.raises(FormatError, match=words):
            read_all(path)

    def test_missing_file_and_folder(self, tmp_path):
        with pytest.raises(FormatError, match="no such file"):
            FileBytes(tmp_path / "none.tfrecords")
        with pytest.raises(FormatError, match="is a folder"):
            FileBytes(tmp_path)
