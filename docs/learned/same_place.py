"""A same-place classifier: log odds that two windows show the same ground, and a ranking read anew by it.

python same_place.py train FOLDER classifier.keras STEPS
python same_place.py rank FOLDER classifier.keras ranking.npz reread.npz
"""

import sys

import challenge
import numpy as np
import tensorflow as tf

FIRST = 10  # candidates of a ranking that are read anew


def arrange(patch, window):
    """Each patch on its window, and on the next patch's."""
    pairs = np.concatenate([np.concatenate([patch, w], -1) for w in (window, np.roll(window, 1, 0))])
    return pairs, np.repeat([1.0, 0.0], len(patch))


def train(folder, path, steps):
    """Train on two windows laid one on the other."""
    body = challenge.network(8, [(32, 3, 2), (48, 3, 2), (64, 3, 2), (1, 1, 1)])
    model = tf.keras.Model(body.input, tf.keras.layers.GlobalAveragePooling2D()(body.output))
    challenge.train(model, tf.keras.losses.BinaryCrossentropy(True), arrange, folder, path, steps)


def rank(folder, path, ranking, out):
    """Read the first candidates of a ranking anew; they stay before all others."""
    model, held = tf.keras.models.load_model(path, compile=False), challenge.Challenge(folder)
    patches = {int(e["id"]): e["patch"].numpy() for e in held.patches}
    found = dict(np.load(ranking))
    first = np.argsort(-found["score"], 1)[:, :FIRST]
    for row, patch in enumerate(patches[int(i)] for i in found["ids"]):
        at = [found[key][row, first[row]].tolist() for key in ("image", "y", "x")]
        windows = [
            held.images[k][y : y + len(patch), x : x + len(patch)] for k, y, x in zip(*at, strict=True)
        ]
        pairs = np.stack([np.concatenate([patch, window], -1) for window in windows])
        found["score"][row, first[row]] = 1000 + model(pairs)[:, 0]
    np.savez(out, **found)


if __name__ == "__main__":
    {"train": train, "rank": rank}[sys.argv[1]](*sys.argv[2:])
