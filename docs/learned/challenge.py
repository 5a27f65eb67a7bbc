"""A folder that `matcher cut` wrote, as learned methods want it, and a loop that trains on it."""

from pathlib import Path

import numpy as np
import tensorflow as tf

import matcher
from matcher.formats import tfdata


class Challenge:
    """Patches, images by their ids, and where each patch lies: image, row, column."""

    def __init__(self, folder):
        self.patches = tfdata.patches(Path(folder) / "test_patches.tfrecords", shuffle=0)
        images = tfdata.images(Path(folder) / "test_images.tfrecords")
        self.images = {int(e["id"]): e["image"].numpy() for e in images}
        answers = matcher.read_submission(Path(folder) / "answers.csv")
        rows = np.stack([answers.ids, answers.image, answers.y, answers.x], 1).tolist()
        self.truth = {patch: place for patch, *place in rows}

    def batches(self, size=32):
        """Endless batches of patches and their true windows on the other date, turned and flipped alike."""
        rng = np.random.default_rng(0)
        for batch in self.patches.repeat().batch(size):
            patch = batch["patch"].numpy()
            n, places = patch.shape[1], [self.truth[int(i)] for i in batch["id"]]
            window = np.stack([self.images[k][y : y + n, x : x + n] for k, y, x in places])
            both = np.rot90(np.stack([patch, window]), rng.integers(4), (2, 3))
            yield both[:, :, :: rng.choice([1, -1])]


def train(model, loss, arrange, folder, path, steps):
    """Train a model on a challenge; `arrange` makes input and target of patches and their windows."""
    model.compile("adam", loss)
    for step, both in zip(range(int(steps)), Challenge(folder).batches(), strict=False):
        value = model.train_on_batch(*arrange(*both))
        if step % 100 == 0:
            print(f"step {step}: loss {float(np.mean(value)):.3f}", flush=True)
    model.save(path)


def network(bands, layers):
    """Convolutions (filters, kernel, stride) on bands brought to mean 0 and deviation 1; the last is linear."""
    tf.keras.utils.set_random_seed(0)
    picture = tf.keras.layers.Input((None, None, bands))
    x = tf.keras.layers.GroupNormalization(-1, scale=False, center=False)(picture)
    for k, (filters, kernel, stride) in enumerate(layers, 1):
        bent = "relu" if k < len(layers) else None
        x = tf.keras.layers.Conv2D(filters, kernel, stride, "same", activation=bent)(x)
    return tf.keras.Model(picture, x)
