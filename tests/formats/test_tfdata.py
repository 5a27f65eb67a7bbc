"""Datasets for learned methods: the pixels and ids that the readers give; plain words without TensorFlow."""

import sys

import numpy as np
import pytest

from matcher.errors import FormatError, MatcherError
from matcher.formats import tfdata
from matcher.formats.official import write_images, write_patches, write_series


def pixels(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float16)


pytestmark = pytest.mark.slow  # TensorFlow takes seconds to import


@pytest.fixture
def tf():
    return pytest.importorskip("tensorflow")


def test_images_with_ids(tmp_path, tf):
    pictures = pixels(5, 8, 8, 4)
    write_images(tmp_path / "i.tfrecords", pictures, [4, 9, 1, 0, 7])
    dataset = tfdata.images(tmp_path / "i.tfrecords")
    assert dataset.element_spec["image"] == tf.TensorSpec((8, 8, 4), tf.float32)
    assert dataset.element_spec["id"] == tf.TensorSpec((), tf.int64)
    assert int(dataset.cardinality()) == 5
    elements = list(dataset)
    assert [int(e["id"]) for e in elements] == [4, 9, 1, 0, 7]
    np.testing.assert_array_equal([e["image"] for e in elements], pictures.astype(np.float32))
    batch = next(iter(dataset.batch(3)))
    assert batch["image"].shape == (3, 8, 8, 4)


def test_agrees_with_tensorflows_own_parser(tmp_path, tf):
    write_patches(tmp_path / "p.tfrecords", pixels(4, 8, 8, 4), [3, 2, 1, 0])
    spec = {
        "patch_raw": tf.io.FixedLenFeature([], tf.string),
        "patch_id": tf.io.FixedLenFeature([], tf.int64),
    }
    own = tf.data.TFRecordDataset(str(tmp_path / "p.tfrecords")).map(
        lambda r: tf.io.parse_single_example(r, spec)
    )
    ours = tfdata.patches(tmp_path / "p.tfrecords", dtype="float16")
    for a, b in zip(own, ours, strict=True):
        assert int(a["patch_id"]) == int(b["id"])
        raw = tf.reshape(tf.io.decode_raw(a["patch_raw"], tf.float16), (8, 8, 4))
        np.testing.assert_array_equal(raw, b["patch"])


def test_series(tmp_path, tf):
    stack = pixels(3, 12, 6, 6, 4)
    write_series(tmp_path / "a.tfrecords", stack)
    dataset = tfdata.series(tmp_path, dtype="float16")
    assert dataset.element_spec == tf.TensorSpec((12, 6, 6, 4), tf.float16)
    np.testing.assert_array_equal(list(dataset), stack)


def test_sizes_that_differ_and_arrays(tf):
    dataset = tfdata.patches([np.ones((4, 5, 2), np.uint16), np.ones((6, 5, 2), np.uint8)])
    assert dataset.element_spec["patch"] == tf.TensorSpec((None, 5, 2), tf.float32)
    assert [e["patch"].shape for e in dataset] == [(4, 5, 2), (6, 5, 2)]


@pytest.mark.usefixtures("tf")
def test_shuffling():
    pictures = np.arange(40, dtype=np.float32).reshape(40, 1, 1, 1) + np.zeros((40, 2, 2, 1), np.float32)
    dataset = tfdata.images(pictures, shuffle=3)
    first, second = ([int(e["id"]) for e in dataset] for _ in range(2))
    assert first != second
    assert sorted(first) == sorted(second) == list(range(40))
    assert [int(e["id"]) for e in tfdata.images(pictures, shuffle=3)] == first
    assert all(int(e["id"]) == e["image"][0, 0, 0] for e in dataset)


@pytest.mark.usefixtures("tf")
def test_bad_records_are_named_before_the_first_element(tmp_path):
    write_images(tmp_path / "i.tfrecords", pixels(3, 8, 8, 4))
    damaged = bytearray((tmp_path / "i.tfrecords").read_bytes())
    damaged[-100] ^= 1
    (tmp_path / "i.tfrecords").write_bytes(damaged)
    with pytest.raises(FormatError, match=r"i\.tfrecords, record 2 at byte"):
        tfdata.images(tmp_path / "i.tfrecords")
    bad = []
    assert len(list(tfdata.images(tmp_path / "i.tfrecords", on_bad=bad.append))) == 2
    assert bad[0].record == 2


def test_without_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    for make in (tfdata.images, tfdata.patches, tfdata.series):
        with pytest.raises(MatcherError, match=r"pip install 'satellite-patch-matcher\[tensorflow\]'"):
            make(np.zeros((2, 8, 8, 1)))
