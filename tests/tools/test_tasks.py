"""Classification and segmentation on places that nothing was learned from."""

import numpy as np
import pytest

from tests.places import DATA, needs_data

pytest.importorskip("sklearn")
TOOL = "measure_tasks"


def test_balanced_accuracy_is_the_mean_over_classes_that_are_there(tool):
    rows = tool.confusion(np.array([0, 0, 0, 0, 2, 2]), np.array([0, 0, 0, 1, 2, 0]))
    assert rows.tolist() == [[3, 1, 0], [0, 0, 0], [1, 0, 1]]
    assert tool.balanced(rows) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_intervals_resample_places(tool):
    """Two places, one all right and one all wrong: the interval spans both."""
    right, wrong = np.diag([5, 5, 5]), np.roll(np.diag([5, 5, 5]), 1, 1)
    found = {"some": np.stack([[right, right], [wrong, right]])}
    lines = list(tool.table(found, {"some": "0.3 [0.2, 0.4]", "matcher change": "0.6 [0.5, 0.7]"}, 0))
    assert lines[2:] == [
        "| some | 0.500 [0.000, 1.000] | 1.000 [1.000, 1.000] | 0.3 [0.2, 0.4] |",
        "| `matcher change` | | | 0.6 [0.5, 0.7] |",
    ]


def test_places_are_judged_by_what_was_learned_elsewhere(tool, monkeypatch):
    """A method that answers only for places that it has seen gives itself away."""
    places = [
        tool.Place(
            "", *[np.zeros((1, 1, 1, 4))] * 2, *[np.zeros((6, 2), np.int64)] * 2, *[np.arange(6) % 3] * 2
        )
        for _ in range(4)
    ]

    class Memory:
        def fit(self, x, y):
            self.known = dict(zip(x[:, 0].tolist(), y.tolist(), strict=True))

        def predict(self, x):
            return np.array([self.known.get(v, 0) for v in x[:, 0].tolist()])

        def predict_proba(self, x):
            return np.eye(3)[self.predict(x)]

    def make(place):
        own = 6.0 * places.index(place) + np.arange(6)
        return own[:, None], own[:, None]

    monkeypatch.setattr(tool, "methods", lambda *_: {"memory": (make, Memory())})
    rows = tool.judged(places, 2, 0)["memory"]
    assert rows.shape == (4, 2, 3, 3)
    assert (rows[..., 0] == 2).all()  # nothing of a place held out is known
    assert not rows[..., 1:].any()


class TestRealPlaces:
    pytestmark = needs_data

    def test_a_place_is_read_with_its_labels(self, tool):
        place = tool.read_place(DATA / "places" / "norcia.npz", 50, 0)
        assert place.earlier.shape[0] == 1
        assert len(place.pixels) == len(place.of_pixels) == 50
        assert len(place.windows) == len(place.of_windows) > 20
        assert set(place.of_pixels) <= {0, 1, 2}
        pixels, windows = tool.seen(place)
        assert pixels.shape == (50, 100)
        assert windows.shape == (len(place.windows), 4, 100)
        values = tool.standard(place.last)
        row, column = place.windows[5]
        np.testing.assert_allclose(windows[5, 3, 48:52], values[row + 12, column + 12])
