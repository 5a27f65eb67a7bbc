"""A triplet encoder: what shows the same ground comes near, whatever the date.

python triplet.py train FOLDER encoder.keras STEPS
python triplet.py rank FOLDER encoder.keras ranking.npz
"""

import sys

import challenge
import numpy as np
import tensorflow as tf


def triplet_loss(_target, features, margin=0.3):
    """The hardest of the batch's other windows must be less alike to each patch than its own, by a margin."""
    flat = tf.math.l2_normalize(tf.reshape(features, (tf.shape(features)[0], -1)), 1)
    patch, window = tf.split(flat, 2)
    alike = patch @ tf.transpose(window)
    hardest = tf.reduce_max(alike - 2 * tf.eye(tf.shape(alike)[0]), 1)
    return tf.nn.relu(margin - tf.linalg.diag_part(alike) + hardest)


def train(folder, path, steps):
    """Train an encoder of pictures of any size."""
    model = challenge.network(4, [(32, 5, 2), (48, 3, 2), (64, 3, 1), (16, 1, 1)])
    challenge.train(model, triplet_loss, lambda *both: (np.concatenate(both),) * 2, folder, path, steps)


def rank(folder, path, out):
    """Rank all images for every patch by the most alike place, one in 4 px (the network's strides) along each axis."""
    model, held = tf.keras.models.load_model(path, compile=False), challenge.Challenge(folder)
    ids, patches = zip(*((int(e["id"]), e["patch"]) for e in held.patches), strict=True)
    kernels = tf.transpose(tf.math.l2_normalize(model(tf.stack(patches)), (1, 2, 3)), (1, 2, 3, 0))
    score, y, x = [], [], []
    for image in held.images.values():
        features = model(image[np.newaxis])
        size = tf.sqrt(tf.nn.conv2d(features**2, tf.ones((*kernels.shape[:3], 1)), 1, "VALID")) + 1e-6
        alike = (tf.nn.conv2d(features, kernels, 1, "VALID") / size)[
            0
        ].numpy()  # cosines: rows, columns, patches
        flat = alike.reshape(-1, len(ids))
        score.append(flat.max(0))
        for axis, at in zip((y, x), np.unravel_index(flat.argmax(0), alike.shape[:2]), strict=True):
            axis.append(at * 4)
    images = np.tile(list(held.images), (len(ids), 1))
    np.savez(out, ids=ids, image=images, score=np.transpose(score), x=np.transpose(x), y=np.transpose(y))


if __name__ == "__main__":
    {"train": train, "rank": rank}[sys.argv[1]](*sys.argv[2:])
