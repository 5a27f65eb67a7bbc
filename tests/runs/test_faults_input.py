"""Damaged inputs of a run: an error that names the place, or a run that goes on and answers every id it can."""

import contextlib
import gzip
import time

import numpy as np
import pytest

import matcher
from matcher.errors import MatcherError, NoInputError
from matcher.formats.columns import read_groups, read_ids
from matcher.formats.example import encode_example
from matcher.formats.official import write_images, write_patches
from matcher.formats.submission import read_submission
from matcher.formats.tfrecord import write_records
from matcher.result import read_details
from matcher.runs import Batch, run
from matcher.runs.folder import RunFolder
from matcher.runs.ready import make_ready
from matcher.runs.shards import Shard, cut, read_shard, write_shard
from matcher.settings import Settings
from tests.runs_common import SMALL, part_of, pictures

SKIP = Batch(skip_bad=True)
FUZZ_SECONDS = 30


def ready(images, patches, batch=SKIP, **settings):
    return make_ready(str(images), str(patches), Settings(**settings), batch)


def small_world(folder, patches=3):
    images, cut_out = pictures(images=2, patches=patches, size=24, side=12)
    paths = folder / "images.tfrecords", folder / "patches.tfrecords"
    write_images(paths[0], images)
    write_patches(paths[1], cut_out, range(10, 10 + patches))
    return paths


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", "flip"])
def test_patches_damaged_all_over(tmp_path, how):
    images, patches = small_world(tmp_path)
    content = patches.read_bytes()
    length = len(content) // 3
    for at in range(0, len(content), 11):
        damaged = bytearray(content)
        damaged[at] ^= 1 << (at % 8)
        patches.write_bytes(damaged if how == "flip" else content[:at])
        whole = how == "cut" and at > 0 and at % length == 0
        with contextlib.nullcontext() if whole else pytest.raises(MatcherError, match=r"patches\.tfrecords"):
            ready(images, patches, Batch())
        try:
            job = ready(images, patches)
        except NoInputError:
            assert at < length
            continue
        hurt = at // length
        sound = [10 + k for k in range(3) if (k < hurt if how == "cut" else k != hurt)]
        assert job.job.patches.ids.tolist() == sound
        assert set(job.placeholders) <= {10, 11, 12} - set(sound)
        assert bool(job.bad) != whole


def test_ids_that_cannot_be_read_are_answered_from_the_list(tmp_path):
    images, patches = small_world(tmp_path)
    content = bytearray(patches.read_bytes())
    length = len(content) // 3
    content[length : 2 * length] = bytes(length)  # nothing of the second record is left
    patches.write_bytes(content)
    assert run(images, patches, tmp_path / "a", batch=SKIP).result.ids.tolist() == [10, 12]
    batch = Batch(skip_bad=True, must_answer=(12, 11, 10))
    outcome = run(images, patches, tmp_path / "b", batch=batch)
    assert outcome.result.ids.tolist() == [10, 12, 11]
    assert outcome.result.reason[2] == "placeholder"


def record(picture, identifier, **other):
    feature = {"patch_raw": picture.astype("<f2").tobytes(), "patch_id": identifier} | other
    return encode_example({name: value for name, value in feature.items() if value is not None})


@pytest.mark.parametrize(
    ("make", "words", "answered"),
    [
        (lambda p: record(p, 10), "taken", []),
        (lambda p: record(p, -4), "negative", []),
        (lambda p: record(p, None), "patch_id", []),
        (lambda p: record(p, 77, patch_raw=None), "patch_raw", [77]),
        (lambda p: record(p[:-1], 77), "no square", [77]),
        (lambda p: record(np.full_like(p, np.nan), 77), "NaN", [77]),
        (lambda p: record(np.where(p > 0.2, np.inf, p), 77), "infinite", [77]),
        (lambda p: record(p[:8, :8], 77), "8 x 8 px", [77]),
        (lambda p: record(np.tile(p, (3, 3, 1)), 77), "36 x 36 px", [77]),
        (lambda _: b"\x0a\x05rubbish", "", []),
    ],
)
def test_one_record_of_no_use(tmp_path, make, words, answered):
    images, _ = small_world(tmp_path)
    good = pictures(images=2, patches=3, size=24, side=12)[1]
    path = tmp_path / "p.tfrecords"
    write_records(path, [record(good[0], 10), make(good[1]), record(good[2], 12)])
    with pytest.raises(MatcherError, match=r"p\.tfrecords, record 1 at byte \d+"):
        ready(images, path, Batch())
    job = ready(images, path)
    assert job.job.patches.ids.tolist() == [10, 12]
    (bad,) = job.bad
    assert words in bad.record.reason
    assert (bad.record.record, bad.record.offset > 0) == (1, True)
    assert list(job.placeholders) == answered


def test_no_data_is_no_fault(tmp_path):
    images, patches = pictures()
    images[0][:20] = -1  # DN 0
    patches[0] = np.full_like(patches[0], -1)
    outcome = run(images, patches, tmp_path / "run", batch=SMALL)
    assert outcome.exit_code == 0
    assert outcome.result.reason[0] == "nodata"


@pytest.mark.parametrize("name", ["a.tfrecords", "a.npy", "a.npz"])
@pytest.mark.parametrize(
    "content", [b"", gzip.compress(b"x" * 500, mtime=0), b"GIF89a" + bytes(500), bytes(500)]
)
def test_files_of_no_use(tmp_path, name, content):
    images, _ = small_world(tmp_path)
    path = tmp_path / name
    path.write_bytes(content)
    for batch in (Batch(), SKIP):
        with pytest.raises(MatcherError, match=name):
            ready(images, path, batch)


def test_axes_and_dtypes_of_no_use(tmp_path):
    images, patches = pictures(patches=4)
    for wrong in (
        np.stack(patches).transpose(0, 3, 1, 2),
        np.stack(patches).astype(complex),
        np.stack(patches).astype("U4"),
        np.stack(patches)[0],
    ):
        np.save(tmp_path / "p.npy", wrong)
        for batch in (Batch(), SKIP):
            with pytest.raises(MatcherError, match=r"p\.npy|bands"):
                make_ready(images, str(tmp_path / "p.npy"), Settings(), batch)


def seeds(folder):
    """Small files of every kind that is read, each with what reads it."""
    images, patches = pictures(images=2, patches=3, size=24, side=12)
    stack = np.stack(patches)
    small_world(folder)
    np.save(folder / "p.npy", stack)
    np.savez(folder / "stack.npz", patches=stack, ids=np.array([5, 6, 7]))
    np.savez_compressed(folder / "each.npz", **{str(k): p for k, p in enumerate(patches)})
    result = matcher.match(images, patches)
    result.to_submission(folder / "s.csv")
    result.to_details(folder / "d.csv")
    (folder / "g.csv").write_text("Patch ID,group\n1,a\n2,b\n")
    run(images, patches, folder / "run", batch=SMALL)
    shard = next(cut(3, 4))
    write_shard(str(folder / "a.shard"), "run", shard, part_of(result, 0, 3))

    def as_patches(batch):
        return lambda path: make_ready(images, str(path), Settings(), batch)

    kinds = {
        folder / name: [as_patches(Batch()), as_patches(SKIP)]
        for name in ("p.npy", "stack.npz", "each.npz", "patches.tfrecords")
    }
    kinds[folder / "images.tfrecords"] = [
        lambda path: make_ready(str(path), patches, Settings(), SKIP),
        lambda path: matcher.match(str(path), patches),
    ]
    kinds[folder / "s.csv"] = [read_submission, lambda path: read_ids(str(path))]
    kinds[folder / "d.csv"] = [read_details]
    kinds[folder / "g.csv"] = [read_groups]
    kinds[folder / "run" / "run.json"] = [lambda path: RunFolder(path.parent).read_run()]
    kinds[folder / "a.shard"] = [lambda path: read_shard(str(path), "run", Shard(0, 3))]
    return kinds


def mutated(content, rng):
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(len(data) + 1))
        span = int(rng.integers(1, 17))
        kind = int(rng.integers(6))
        if kind == 0 and at < len(data):
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at : at + span] = rng.bytes(span)
        elif kind == 2:
            data[at:at] = rng.bytes(span)
        elif kind == 3:
            del data[at : at + span]
        elif kind == 4:
            data[at : at + span] = bytes([int(rng.choice([0, 255, 127, 128]))]) * span
        elif len(data) > 1:
            del data[at:]
        if not data:
            break
    return bytes(data)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mutated_files_are_read_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    kinds = [(path, path.read_bytes(), readers) for path, readers in seeds(tmp_path).items()]
    end = time.monotonic() + FUZZ_SECONDS
    tried = refused = 0
    while time.monotonic() < end:
        path, content, readers = kinds[tried % len(kinds)]
        wrong = mutated(content, rng)
        path.write_bytes(wrong)
        for read in readers:
            try:
                read(path)
            except MatcherError:
                refused += 1
            except Exception as error:
                raise AssertionError(f"{path.name}: {wrong[:200]!r}…: {error!r}") from error
        tried += 1
    assert tried > 5 * len(kinds)
    assert refused > tried // 4
