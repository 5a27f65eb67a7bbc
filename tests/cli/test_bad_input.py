"""Bad input: one clear error that names file, record and the way out; no traceback, no half-written output."""

import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import matcher
from matcher.cli import main
from matcher.errors import MatcherError
from matcher.formats.official import write_images, write_patches
from matcher.formats.tfrecord import write_records
from matcher.imagery import to_official

RNG = np.random.default_rng(8)
IMAGES = RNG.integers(200, 3000, (2, 72, 72, 4)).astype(np.uint16)
PATCHES = np.stack([IMAGES[1, 3:35, 5:37], IMAGES[0, 9:41, 0:32]])


def npz(path, key, pictures):
    np.savez(path, **{key: pictures})
    return path


def archive(path, pictures):
    np.savez(path, **{str(k): picture for k, picture in enumerate(pictures)})
    return path


def records(path, write, pictures):
    write(path, map(to_official, pictures))
    return path


def changed(picture, value, dtype=np.float32):
    picture = picture.astype(dtype)
    picture[4, 5, 1] = value
    return picture


def truncated(path):
    path.write_bytes(path.read_bytes()[:-100])
    return path


def corrupt(path):
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4] ^= 1  # in the second record
    path.write_bytes(content)
    return path


def written(path, content):
    path.write_bytes(content)
    return path


# What is bad, (folder -> images, patches, options), and what the message must hold.
BAD = {
    "missing": (lambda f: (f / "gone.npz", None, []), ["gone.npz", "no such file"]),
    "missing patches": (lambda f: (None, f / "gone.tfrecords", []), ["gone.tfrecords", "no such file"]),
    "a folder": (lambda f: (f, None, []), ["is a folder", ".npy"]),
    "truncated records": (
        lambda f: (truncated(records(f / "i.tfrecords", write_images, IMAGES)), None, []),
        ["i.tfrecords", "record 1 at byte", "truncated"],
    ),
    "corrupt records": (
        lambda f: (None, corrupt(records(f / "p.tfrecords", write_patches, PATCHES)), []),
        ["p.tfrecords", "record 1 at byte", "corrupt"],
    ),
    "images for patches": (
        lambda f: (None, records(f / "p.tfrecords", write_images, PATCHES), []),
        ["p.tfrecords, record 0", "'patch_raw'"],
    ),
    "no square": (
        lambda f: (records(f / "i.tfrecords", write_images, IMAGES[:, :60]), None, []),
        ["i.tfrecords, record 0", "no square of 4 bands", "--image-shape"],
    ),
    "records of three bands": (
        lambda f: (records(f / "i.tfrecords", write_images, IMAGES[:, :64, :64, :3]), None, []),
        ["i.tfrecords, record 0", "one of 3", "--bands"],
    ),
    "empty file": (lambda f: (written(f / "i.tfrecords", b""), None, []), ["i.tfrecords", "is empty"]),
    "no image": (lambda f: (npz(f / "i.npz", "images", IMAGES[:0]), None, []), ["i.npz", "no picture"]),
    "no patch": (lambda f: (None, npz(f / "p.npz", "patches", PATCHES[:0]), []), ["p.npz", "no picture"]),
    "text": (lambda f: (written(f / "i.npy", b"no array"), None, []), ["i.npy", "not an array"]),
    "one axis": (
        lambda f: (npz(f / "i.npz", "images", IMAGES[0, 0, :, 0]), None, []),
        ["shape (72,)", "expected"],
    ),
    "texts as pixels": (
        lambda f: (npz(f / "i.npz", "images", np.full((2, 40, 40, 4), "a")), None, []),
        ["i.npz", "dtype <U1"],
    ),
    "complex": (
        lambda f: (None, npz(f / "p.npz", "patches", PATCHES.astype(np.complex64)), []),
        ["p.npz", "complex64"],
    ),
    "truth values": (
        lambda f: (None, npz(f / "p.npz", "patches", PATCHES > 500), []),
        ["p.npz", "dtype bool"],
    ),
    "NaN in a patch": (
        lambda f: (None, archive(f / "p.npz", [PATCHES[0], changed(PATCHES[1], np.nan)]), []),
        ["p.npz, array '1'", "NaN", "set such pixels to 0"],
    ),
    "inf in a patch": (
        lambda f: (None, archive(f / "p.npz", [PATCHES[0], changed(PATCHES[1], -np.inf)]), []),
        ["p.npz, array '1'", "infinite"],
    ),
    "NaN in an image": (
        lambda f: (archive(f / "i.npz", [IMAGES[0], changed(IMAGES[1], np.nan)]), None, []),
        ["i.npz, array '1'", "NaN"],
    ),
    "NaN in a record": (
        lambda f: (None, records(f / "p.tfrecords", write_patches, [changed(PATCHES[0], np.nan)]), []),
        ["p.tfrecords, record 0 at byte 0", "NaN"],
    ),
    "beyond single precision": (
        lambda f: (None, archive(f / "p.npz", [changed(PATCHES[0], 1e300, np.float64)]), []),
        ["p.npz, array '0'", "check its dtype"],
    ),
    "all patches constant": (
        lambda f: (None, npz(f / "p.npz", "patches", np.full((2, 32, 32, 4), 7, np.uint16)), []),
        ["p.npz", "record 0", "constant", "check the file"],
    ),
    "patch larger than the images": (
        lambda f: (None, archive(f / "p.npz", [PATCHES[0], RNG.integers(0, 99, (80, 32, 4))]), []),
        ["p.npz, array '1'", "80 x 32", "larger than every image", "swapped"],
    ),
    "patch too small": (
        lambda f: (None, archive(f / "p.npz", [PATCHES[0, :8, :8]]), []),
        ["p.npz, array '0'", "8 x 8", "least"],
    ),
    "three bands against four": (
        lambda f: (None, npz(f / "p.npz", "patches", PATCHES[..., :3]), []),
        ["p.npz", "record 0", "has 3 bands", "i.npy", "has 4"],
    ),
    "bands of a wrong count": (
        lambda _: (None, None, ["--bands", "red,green,blue"]),
        ["have 4 bands", "3 are named", "--bands red,green,blue,nir"],
    ),
    "five bands without names": (
        lambda f: (
            npz(f / "i.npz", "images", np.repeat(IMAGES, 2, -1)[..., :5]),
            npz(f / "p.npz", "patches", np.repeat(PATCHES, 2, -1)[..., :5]),
            [],
        ),
        ["have 5 bands", "--bands"],
    ),
    "ndvi without nir": (
        lambda f: (
            npz(f / "i.npz", "images", IMAGES[..., :3]),
            npz(f / "p.npz", "patches", PATCHES[..., :3]),
            ["--evidence", "ndvi,phase"],
        ),
        ["ndvi needs bands named red and nir", "--bands"],
    ),
    "ids twice": (
        lambda f: (None, (np.savez(f / "p.npz", patches=PATCHES, ids=[3, 3]), f / "p.npz")[1], []),
        ["p.npz", "the id 3 stands 2 times"],
    ),
}


@pytest.fixture
def good(tmp_path):
    folder = tmp_path / "good"
    folder.mkdir()
    np.save(folder / "i.npy", IMAGES)
    np.save(folder / "p.npy", PATCHES)
    return folder / "i.npy", folder / "p.npy"


@pytest.mark.parametrize("search", ["pyramid", "exhaustive"])
@pytest.mark.parametrize("name", list(BAD))
def test_one_clear_error_and_no_output(tmp_path, good, name, search):
    make, says = BAD[name]
    images, patches, options = make(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    (out / "submission.csv").write_text("of an earlier run\n")
    result = CliRunner().invoke(
        main,
        [
            *("match", str(images or good[0]), str(patches or good[1]), "-o", str(out / "submission.csv")),
            *("--details", str(out / "details.csv"), "--search", search, "-q", *options),
        ],
    )
    # 4 where not one image or patch can be used, 1 otherwise.
    assert result.exit_code in (1, 4), result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    errors = result.stderr.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith("matcher: ")
    for part in says:
        assert part in errors[0]
    assert [p.name for p in out.iterdir()] == ["submission.csv"]
    assert (out / "submission.csv").read_text() == "of an earlier run\n"


@pytest.mark.parametrize("name", list(BAD))
def test_the_same_error_from_python(tmp_path, good, name):
    make, says = BAD[name]
    images, patches, options = make(tmp_path)
    settings = {flag.removeprefix("--"): tuple(value.split(",")) for flag, value in zip(*[iter(options)] * 2)}  # noqa: B905
    with pytest.raises(MatcherError) as error:
        matcher.match(images or good[0], patches or good[1], **settings)
    for part in says:
        assert part in str(error.value)


@pytest.mark.parametrize("what", [3, None, {"a": 1}])
def test_what_is_no_picture_at_all(what):
    with pytest.raises(MatcherError, match=r"images are a file or folder .*, not (int|NoneType|dict)"):
        matcher.match(what, PATCHES)


def test_a_long_damaged_record_does_not_end_in_a_traceback(tmp_path):
    write_records(tmp_path / "i.tfrecords", [b"\x00" * 50, b"\xff" * 500])
    with pytest.raises(MatcherError, match="record 0"):
        matcher.match(tmp_path / "i.tfrecords", PATCHES)


def test_a_failed_write_leaves_what_was_there(tmp_path, good, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    out = tmp_path / "submission.csv"
    out.write_text("of an earlier run\n")
    monkeypatch.setattr("os.fsync", full)
    result = CliRunner().invoke(main, ["match", str(good[0]), str(good[1]), "-o", str(out)])
    assert result.exit_code == 1
    assert "submission.csv: cannot be written: No space left on device" in result.stderr
    assert out.read_text() == "of an earlier run\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["good", "submission.csv"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("more", [("a.csv", "a.csv"), ("a.csv", "a.csv", "--json", "-"), ("--help",)])
def test_standard_output_that_is_full(tmp_path, more):
    (tmp_path / "a.csv").write_text("Patch ID,Result\n0,1 2 3\n")
    command = [sys.executable, "-c", "from matcher.cli import main; main()", "score", *more]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("matcher: standard output cannot be written: ")
