#!/usr/bin/env python3
"""Cut challenges with known answers from the co-registered places in places/.

    python cut.py OUT [--rounds 4] [--patches 8] [--side 64] [--largest 320] [--images N] [--seed 0] [--places GLOB]
                      [--folder places] [--beside]
    python cut.py OUT --official [--patches 64] [--seed 0]

A place is a stack of dates of one area. A round cuts every place into non-overlapping tiles of at most LARGEST
pixels a side; each tile becomes one target image, of one date drawn at random, and gives PATCHES patches (four
times as many where the place has more than two dates) of SIDE x SIDE pixels, cut at random from its other dates.
All images are the targets of all patches, so every place is the others' distractor. --images N fills the list up
to N images with flipped and turned tiles, which are nobody's answer. Written for each round:

    OUT/round-K/images.npz    one array an image, key = image id, (height, width, bands), DN 0..4095, float32
    OUT/round-K/patches.npz   'patches' (n, side, side, bands) float32, 'ids' (n,)
    OUT/round-K/answers.csv   Patch ID,Result   with Result = "image x y" (x the column, y the row)
    OUT/round-K/groups.csv    Patch ID,group,place,target date,patch date

--folder more/bands3 cuts other places than those in places/ (README.md); all of a folder have the same bands. With
--beside the tiles of places/ stand by as further targets, brought to these bands, and are nobody's answer.

--official writes one round of whole 512 x 512 tiles (places that are large enough, one tile each) to OUT/official,
as official TFRecords (needs tensorflow) and, with the same pixels, as images.npy and patches.npz.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def read_places(pattern, folder="places"):
    """[(group, place, stack (dates, height, width, bands) uint16, dates)] in a fixed order."""
    out = []
    for path in sorted((HERE / folder).glob(pattern)):
        with np.load(path) as f:
            out.append((str(f["group"]), path.stem, f["images"], [str(d) for d in f["dates"]]))
    return out


def tiles(height, width, largest):
    rows, cols = -(-height // largest), -(-width // largest)
    h, w = height // rows, width // cols
    return [(r * h, c * w, h, w) for r in range(rows) for c in range(cols)]


def cut(places, n_patches, rng, side, largest, whole=False):
    """Images, patches, answers (image, x, y) and groups of one round; whole: only tiles of largest x largest."""
    images, patches, answers, groups = [], [], [], []
    for group, place, stack, dates in places:
        height, width = stack.shape[1:3]
        if whole:
            cuts = [(0, 0, largest, largest)] if min(height, width) >= largest else []
        else:
            cuts = tiles(height, width, largest)
        for top, left, h, w in cuts:
            t = int(rng.integers(len(stack)))
            target = stack[t, top : top + h, left : left + w]
            image, made = len(images), 0
            images.append(target)
            wanted = n_patches * (4 if len(stack) > 2 and not whole else 1) if min(h, w) >= side else 0
            for _ in range(20 * wanted):
                if made == wanted:
                    break
                s = int(rng.choice([k for k in range(len(stack)) if k != t]))
                y, x = int(rng.integers(h - side + 1)), int(rng.integers(w - side + 1))
                patch = stack[s, top + y : top + y + side, left + x : left + x + side]
                under = target[y : y + side, x : x + side]
                if max((a.max(-1) == 0).mean() for a in (patch, under)) > 0.02:  # nodata
                    continue
                patches.append(patch)
                answers.append((image, x, y))
                groups.append((group, place, dates[t], dates[s]))
                made += 1
    order = rng.permutation(len(patches))  # a patch's id tells nothing of its image
    return images, [patches[k] for k in order], [answers[k] for k in order], [groups[k] for k in order]


def add_distractors(images, n_images, rng):
    """Flipped and turned tiles until there are n_images: real texture, nobody's answer."""
    real = len(images)
    while len(images) < n_images:
        image = np.rot90(images[int(rng.integers(real))], int(rng.integers(4)))
        flip = int(rng.integers(1, 4)) if image.shape == images[0].shape else int(rng.integers(1, 3))
        images.append(image[::-1] if flip == 1 else image[:, ::-1] if flip == 2 else image.transpose(1, 0, 2))
    return images


def like(stack, bands):
    """A stack of red, green, blue, nir with so many bands: red; red and nir; red, green, blue; all."""
    return stack[..., {1: [0], 2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[bands]]


def write_csv(path, header, rows):
    with open(path, "w", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(header)
        w.writerows(rows)


def write_round(folder, images, patches, answers, groups):
    if len({im.shape for im in images}) == 1:
        np.save(folder / "images.npy", np.stack(images).astype(np.float32))
    else:
        np.savez(folder / "images.npz", **{str(i): im.astype(np.float32) for i, im in enumerate(images)})
    np.savez(
        folder / "patches.npz", patches=np.stack(patches).astype(np.float32), ids=np.arange(len(patches))
    )
    write_csv(
        folder / "answers.csv",
        ["Patch ID", "Result"],
        [(k, f"{i} {x} {y}") for k, (i, x, y) in enumerate(answers)],
    )
    write_csv(
        folder / "groups.csv",
        ["Patch ID", "group", "place", "target date", "patch date"],
        [(k, *g) for k, g in enumerate(groups)],
    )


def official(dn):
    """DN to the official range and type: clipped to 0..4095, mapped to [-1, 1], float16."""
    return (np.clip(dn, 0, 4095).astype(np.float32) / 2047.5 - 1).astype("<f2")


def write_tfrecords(path, name, key, arrays):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as w:
        for k, a in enumerate(arrays):
            w.write(
                tf.train.Example(
                    features=tf.train.Features(
                        feature={
                            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[a.tobytes()])),
                            key: tf.train.Feature(int64_list=tf.train.Int64List(value=[k])),
                        }
                    )
                ).SerializeToString()
            )


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", type=Path)
    p.add_argument("--rounds", type=int, default=4)
    p.add_argument("--patches", type=int, help="a tile (8; official 64)")
    p.add_argument("--side", type=int, default=64, help="pixels a side of a patch")
    p.add_argument("--largest", type=int, default=320, help="pixels a side of a tile, at most")
    p.add_argument("--images", type=int, default=0, help="fill up to so many images with distractors")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--places", default="*.npz", help="glob in the folder")
    p.add_argument("--folder", default="places", help="folder of the places, beside this script")
    p.add_argument("--beside", action="store_true", help="the tiles of places/ stand by as targets")
    p.add_argument("--official", action="store_true")
    a = p.parse_args()
    places = read_places(a.places, a.folder)
    if not places:
        raise SystemExit(f"no places match {a.places!r} in {HERE / a.folder}")
    if a.official:
        try:
            import tensorflow  # noqa: F401
        except ImportError:
            raise SystemExit("--official writes TFRecords: install tensorflow") from None
        folder = a.out / "official"
        folder.mkdir(parents=True, exist_ok=True)
        images, patches, answers, groups = cut(
            places, a.patches or 64, np.random.default_rng(a.seed), 64, 512, whole=True
        )
        images, patches = [official(x) for x in images], [official(x) for x in patches]
        write_tfrecords(folder / "test_images.tfrecords", "image_raw", "image_id", images)
        write_tfrecords(folder / "test_patches.tfrecords", "patch_raw", "patch_id", patches)
        write_round(folder, images, patches, answers, groups)
        print(f"{folder}: {len(images)} images, {len(patches)} patches")
        return
    for k in range(a.rounds):
        rng = np.random.default_rng([a.seed, k])
        images, patches, answers, groups = cut(places, a.patches or 8, rng, a.side, a.largest)
        if not patches:
            raise SystemExit(f"no tile of these places holds a patch of {a.side} px")
        if a.beside:
            bands = places[0][2].shape[3]
            others = [
                (group, place, like(stack, bands), dates)
                for group, place, stack, dates in read_places("*.npz")
            ]
            images = images + cut(others, 0, np.random.default_rng([a.seed, k, 2]), a.side, a.largest)[0]
        images = add_distractors(images, a.images, np.random.default_rng([a.seed, k, 1]))
        folder = a.out / f"round-{k}"
        folder.mkdir(parents=True, exist_ok=True)
        write_round(folder, images, patches, answers, groups)
        print(f"{folder}: {len(images)} images, {len(patches)} patches of {len(places)} places")


if __name__ == "__main__":
    main()
