"""Change told by features of both dates, on places that nothing was learned from."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
TOOL = "change_task"
SIDE = 16  # px, too few for a shift to be looked for


def window(tool, place, seed):
    """A window of one date, and another date whose middle was built on."""
    rng = np.random.default_rng(seed)
    image = rng.integers(500, 700, (SIDE + 2 * tool.MARGIN, SIDE + 2 * tool.MARGIN, 4)).astype(np.float32)
    patch = image[tool.MARGIN : -tool.MARGIN, tool.MARGIN : -tool.MARGIN].copy()
    truth = np.zeros((SIDE, SIDE), bool)
    truth[4:10, 5:12] = True
    patch[truth] += 400
    return tool.Painted(patch, image, truth, "field", place)


@pytest.fixture
def samples(tool, monkeypatch):
    """Four windows of two places; what `matcher change` says of them is left open."""
    monkeypatch.setattr(tool, "sample_rows", lambda one, _roles: one.place)
    monkeypatch.setattr(tool, "fit", set)
    monkeypatch.setattr(
        tool, "scores", lambda _one, _roles, model: {tool.OWN: np.full((SIDE, SIDE), len(model))}
    )
    return [window(tool, place, seed) for seed, place in enumerate("abab")]


def test_what_changed_is_told_apart_by_what_other_places_taught(tool, samples):
    from sklearn.linear_model import LogisticRegression

    asked = []

    def make(learned):
        asked.append(learned)
        return {
            "bands": (lambda dn: dn, LogisticRegression()),
            "nothing": (np.zeros_like, LogisticRegression()),
        }

    found = tool.judged(samples, ["a", "b"], make)
    assert asked == [["b"], ["a"]]
    assert list(found) == ["bands", "nothing", "matcher change"]
    assert {place: len(told.truth) for place, told in found["bands"].items()} == {"a": 128, "b": 128}
    shown = dict(tool.cells(found, 0))
    share = samples[0].truth[::2, ::2].mean()
    assert shown["bands"] == "1.000 [1.000, 1.000]"
    assert shown["nothing"] == shown["matcher change"] == f"{share:.3f} [{share:.3f}, {share:.3f}]"


def test_a_method_learns_as_much_of_what_stayed_as_of_what_changed(tool, samples):
    pairs = [(one, one.image[tool.MARGIN : -tool.MARGIN, tool.MARGIN : -tool.MARGIN]) for one in samples[:2]]
    rows, truth = tool._balanced(pairs, lambda dn: dn)
    assert truth.sum() == (~truth).sum() == 2 * samples[0].truth[::3, ::3].sum()
    assert (rows[truth] == 400).all()
    assert (rows[~truth] == 0).all()


def test_intervals_resample_places(tool):
    """Two places, one told perfectly and one the wrong way round."""
    truth = np.array([True, False])
    found = {
        "some": {"a": tool.Told(np.array([0.9, 0.1]), truth), "b": tool.Told(np.array([0.2, 0.8]), truth)}
    }
    (name, cell), *_ = tool.cells(found, 0)
    assert name == "some"
    assert cell.endswith("[0.500, 1.000]")


def test_precision_is_that_of_scikit_learn(tool):
    """With equal scores, and places drawn more than once or not at all."""
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    told = [tool.Told(rng.integers(0, 9, 40) / 10, rng.random(40) < 0.3) for _ in range(3)]
    of = tool.precision(told)
    for drawn in ((1, 1, 1), (2, 0, 1), (0, 3, 0)):
        score = np.concatenate([np.tile(t.score, k) for t, k in zip(told, drawn, strict=True)])
        truth = np.concatenate([np.tile(t.truth, k) for t, k in zip(told, drawn, strict=True)])
        assert of(np.array(drawn)) == pytest.approx(average_precision_score(truth, score))
