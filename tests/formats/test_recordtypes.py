"""Types of numbers that TFRecords do not say: told from bytes of real ground, or given."""

import numpy as np
import pytest

from matcher.demo.sample import read_sample
from matcher.errors import FormatError, NoInputError
from matcher.formats.example import encode_example
from matcher.formats.opening import open_images, open_patches, open_series
from matcher.formats.recordtypes import TYPES, parse_type, spell_type, tell_type
from matcher.formats.tfrecord import write_records

CODES = [dtype.str for dtype in TYPES]
FORMS = {
    "dn": lambda dn: dn,
    "signed": lambda dn: dn / 2047.5 - 1,
    "reflectance": lambda dn: dn / 1e4,
    "sixteen bits": lambda dn: dn * 16,
    "eight bits": lambda dn: np.floor(dn / 16),
    "below zero": lambda dn: dn - 1000,
}


def ground():
    return [place.image[:96, :96].astype(np.float64) for place in read_sample()[:4]]


def holds(values, dtype):
    """Whether a type can hold numbers, with more than two of them told apart."""
    if dtype.kind == "f":
        return np.abs(values).max() < 60000
    info = np.iinfo(dtype)
    return info.min <= values.min() and values.max() <= info.max and np.ptp(values) > 10


def save(path, pictures, code, noun="image"):
    records = [
        {f"{noun}_raw": np.asarray(picture).astype(code).tobytes(), f"{noun}_id": k}
        for k, picture in enumerate(pictures)
    ]
    write_records(path, map(encode_example, records))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("code", CODES)
def test_real_ground_in_every_type(tmp_path, code, form):
    dtype = np.dtype(code)
    pictures = [FORMS[form](dn) for dn in ground()]
    if not all(holds(values, dtype) for values in pictures):
        pytest.skip("the type does not hold these numbers")
    source = open_images(save(tmp_path / "i.tfrecords", pictures, code))
    for k, values in enumerate(pictures):
        np.testing.assert_array_equal(source[k], values.astype(dtype.newbyteorder("=")))
        assert source[k].dtype.isnative


def test_what_is_not_float16_is_told(tmp_path, caplog):
    caplog.set_level("INFO", "matcher")
    open_images(save(tmp_path / "a.tfrecords", [g / 2047.5 - 1 for g in ground()], "<f2"))
    assert not caplog.records
    open_images(save(tmp_path / "b.tfrecords", ground(), ">u2"))
    assert "b.tfrecords: its numbers are taken for big-endian uint16; --dtype" in caplog.text


def test_shards_are_of_one_type_and_number_on(tmp_path):
    pictures = ground()
    for k in range(2):
        records = [
            {"patch_raw": p.astype("<f4").tobytes(), "patch_id": 10 * k + n}
            for n, p in enumerate(pictures[2 * k :][:2])
        ]
        write_records(tmp_path / f"{k}.tfrecords", map(encode_example, records))
    for what in (tmp_path, tmp_path / "*.tfrecords", sorted(tmp_path.glob("*"))):
        source = open_patches(what)
        assert source.ids.tolist() == [0, 1, 10, 11]
        np.testing.assert_array_equal(source[3], pictures[3].astype(np.float32))
        np.testing.assert_array_equal(source.read(3, 1, 2, 3, 4), pictures[3][1:4, 2:6])
        assert source.where(2).startswith(f"{tmp_path / '1.tfrecords'}, record 0 at byte 0")
    save(tmp_path / "1.tfrecords", pictures, "<f4", "patch")
    with pytest.raises(
        FormatError, match=r"1\.tfrecords, record 0 .*patch_id 0 is taken by .*0\.tfrecords, record 0"
    ):
        open_patches(tmp_path)


def test_an_option_goes_before_what_would_be_told(tmp_path):
    from matcher.settings import Settings

    pictures = ground()
    path = save(tmp_path / "i.tfrecords", pictures, "<u2")
    assert open_images(path, dtype="int16")[0].dtype == np.int16
    assert Settings(dtype=">u2").dtype == ">u2"
    tall = [p[:80, :60] for p in pictures]
    save(tmp_path / "t.tfrecords", tall, "<f4")
    with pytest.raises(FormatError, match=r"no square of 4 bands.*--image-shape.*--dtype"):
        open_images(tmp_path / "t.tfrecords")
    np.testing.assert_array_equal(open_images(tmp_path / "t.tfrecords", shape=(80, 60, 4))[1], tall[1])


def test_series_of_another_type(tmp_path):
    dates = np.stack([ground()[0]] * 12)
    channels = np.moveaxis(dates, 0, 2).reshape(96, 96, 48)
    write_records(
        tmp_path / "s.tfrecords", [encode_example({"time_series_raw": channels.astype("<f4").tobytes()})]
    )
    np.testing.assert_array_equal(open_series(tmp_path / "s.tfrecords")[0], dates.astype(np.float32))


def test_records_of_another_size_are_bad(tmp_path):
    good = [
        encode_example({"patch_raw": g[:32, :32].astype("<f4").tobytes(), "patch_id": k})
        for k, g in enumerate(ground())
    ]
    other = encode_example({"patch_raw": np.ones((32, 32, 4), "<f2").tobytes(), "patch_id": 9})
    write_records(tmp_path / "p.tfrecords", [*good[:2], other, *good[2:]])
    with pytest.raises(FormatError, match=r"record 2 at byte .*no square of 4 bands of float32"):
        open_patches(tmp_path / "p.tfrecords")
    bad = []
    assert open_patches(tmp_path / "p.tfrecords", on_bad=bad.append).ids.tolist() == [0, 1, 2, 3]
    assert [(b.record, b.id) for b in bad] == [(2, 9)]
    with pytest.raises((FormatError, NoInputError)):
        open_patches(tmp_path / "p.tfrecords", dtype="float64")


@pytest.mark.parametrize(
    ("text", "code", "spelled"),
    [
        ("float32", "<f4", "float32"),
        (">u2", ">u2", "big-endian uint16"),
        ("big-endian int16", ">i2", "big-endian int16"),
    ],
)
def test_names(text, code, spelled):
    assert parse_type(text) == np.dtype(code)
    assert spell_type(np.dtype(code)) == spelled
    for wrong in ("words", "complex64", "", "S4"):
        with pytest.raises(FormatError, match="--dtype"):
            parse_type(wrong)


def test_nothing_to_go_by_is_the_official_type():
    for content in (bytes(512), np.full(256, np.nan, "<f2").tobytes()):
        assert tell_type(
            [content], [512], lambda size, item: (8, 8, 4) if size == 256 * item else None
        ) == np.dtype("<f2")
