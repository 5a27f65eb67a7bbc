"""Whatever a public function is given for an argument, what does not fit is refused in one clear error."""

import dataclasses
import inspect

import numpy as np
import pytest

import matcher
from matcher.alignment.run import Aligning
from matcher.errors import MatcherError
from matcher.locating.plan import Locating
from matcher.runs import Batch, run
from matcher.settings import SeriesOptions, Settings

RNG = np.random.default_rng(5)
GRAIN = RNG.integers(300, 3000, (20, 20, 4)).repeat(8, 0).repeat(8, 1).astype(np.uint16)
SCENE = np.stack([GRAIN, GRAIN + 50])
PATCH = SCENE[1:, 40:104, 50:114]
AT = matcher.Placements(*(np.array([k]) for k in (0, 0, 50, 40)))
PAIR = {"images": SCENE[:1], "patches": PATCH}
CALLS = {  # what is called, with what fits it, and the options that it takes beside its parameters
    "match": (matcher.match, PAIR, Settings),
    "retrieve": (matcher.retrieve, PAIR, Settings),
    "locate": (matcher.locate, {"chips": PATCH, "scenes": SCENE[:1], "pixels": True}, Settings, Locating),
    "align": (matcher.align, {"moving": SCENE[1:], "reference": SCENE[:1]}, Settings, Aligning),
    "verify": (matcher.verify, {"pairs": PATCH, "others": PATCH}, Settings),
    "change": (matcher.change, {**PAIR, "places": AT}, Settings),
    "features": (matcher.features, {"series": SCENE}, SeriesOptions),
    "cut": (matcher.cut, {"series": SCENE, "folder": "cut"}),
    "CutOptions": (matcher.CutOptions, {}),
    "fit_model": (matcher.fit_model, {"series": SCENE}),
    "FitOptions": (matcher.FitOptions, {}),
    "make_index": (matcher.make_index, {"images": ["a.npy"], "folder": "index", "sides": [64]}, Settings),
    "open_index": (matcher.open_index, {"folder": "index"}),
    "open_images": (matcher.open_images, {"what": SCENE}),
    "open_patches": (matcher.open_patches, {"what": PATCH}),
    "open_series": (matcher.open_series, {"what": "s.tfrecords"}),
    "read_submission": (matcher.read_submission, {"path": "s.csv"}),
    "write_submission": (matcher.write_submission, {"path": "s.csv", "placements": AT}),
    "score": (matcher.score, {"submission": AT, "answers": AT}),
    "compare": (matcher.compare, {"submissions": {"a": AT, "b": AT}, "answers": AT}),
    "Pairs": (matcher.Pairs, {"first": PATCH, "second": PATCH}),
    "run": (run, {**PAIR, "folder": "run"}),
    "Batch": (Batch, {}),
}  # fmt: skip
# Fit nowhere: no option is a complex number, an object of nothing, several floats, or a set of a name of nothing.
NEVER = (1.5j, object(), np.array([1.5, np.nan]), {"nothing of this name"})
WRONG = {  # fit somewhere, and not there
    "stride": (1.5, 0, -1, "8", True, float("nan")),
    "keep": (None, 1.5, 0, "9"),
    "max_shift": (1.5, -1, None),
    "threshold": (-0.5, 1.5, None, "x", float("nan")),
    "prior": (0, 1, None, "x", True),
    "pixels": (None, 1, "yes"),
    "skip_bad": (None, 1, "no"),
    "each_date": (None, 1, "no"),
    "windows": (None, 1, "no"),
    "candidates": (0, 51, 1.5, None, True),
    "offset": ("x", float("nan"), float("inf"), True),
    "rotations": ([500], [None], None, "x"),
    "scale": (0, "x", float("nan"), True),
    "near": (5, "x", (1, 2, 3)),
    "count": (0, 1.5, None),
    "radius": (1, 1.5, 129),
    "side": (0, 1.5, "x"),
    "gap": (5, (5, 2), (1,), (1, 2, 3), (0.5, 2)),
    "dates": (0, (1,), (1, 1.5)),
    "sides": (64, (), (1,), (64.5,)),
    "seed": (-1, 1.5, True),
    "holdout": (1, -0.5, None),
    "progress": ("x", 5, True),
    "on_bad": ("x", 5),
    "image_shape": (5, (1, 2), (1, 2, 3.5)),
    "shape": (5, (1, 2), (1, 2, 3.5), (0, 1, 1)),
    "xy_order": (None, "x", True),
    "part": (5, (3, 2), (0, 1)),
    "shard_size": (0, 1.5),
    "series": (5, [], None),
    "folder": (5, "", None),
    "resamples": (0, 1.5, True),
    "settings": ("x", 0, []),
    "first": (None, 5, "x", [[1], [1, 2]]),
    "same": (5, "x", [2], [None], [[1], [1, 2]]),
    "options": ("x", 0, {}),
}


def arguments(name):
    """The names of all arguments of a call, those of its options among them."""
    called, _, *options = CALLS[name]
    own = inspect.signature(called).parameters.values()
    names = [one.name for one in own if one.kind is not one.VAR_KEYWORD]
    return dict.fromkeys([*names, *(field.name for one in options for field in dataclasses.fields(one))])


SAID = {("Pairs", "name"), ("Pairs", "bands"), ("Pairs", "files")}  # by readers, of the files
CASES = [(name, argument) for name in CALLS for argument in arguments(name) if (name, argument) not in SAID]


def test_every_public_function_is_called():
    functions = {name for name in matcher.__all__ if inspect.isfunction(getattr(matcher, name))}
    assert functions <= set(CALLS)


@pytest.mark.parametrize(("name", "argument"), CASES, ids=[f"{name}-{argument}" for name, argument in CASES])
def test_what_does_not_fit_is_refused(name, argument, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", SCENE[:1])
    called, fitting, *_ = CALLS[name]
    for value in (*NEVER, *WRONG.get(argument, ())):
        with pytest.raises(MatcherError) as error:
            called(**{**fitting, argument: value})
        assert str(error.value)


@pytest.mark.parametrize(
    "argument", ["bands", "evidence", "effort", "memory", "prior", "chip_bands", "pixels"]
)
def test_the_argument_is_named(argument):
    with pytest.raises(MatcherError, match=rf"^{argument} 1\.5j: give "):
        matcher.locate(PATCH, SCENE[:1], **{argument: 1.5j})


def test_an_area_that_is_no_text_is_refused_with_how_to_write_it():
    with pytest.raises(
        MatcherError, match=r"^near \(1, 2, 3\): give text as --near takes it, such as '4\.3,50\.8,20'$"
    ):
        matcher.locate(PATCH, SCENE[:1], near=(1, 2, 3))


@pytest.mark.parametrize(
    ("called", "own"), [(matcher.locate, "candidates"), (matcher.align, "count"), (matcher.match, "bands")]
)
def test_an_unknown_option_is_refused_with_those_there_are(called, own):
    with pytest.raises(MatcherError, match=rf"^unknown option pace: choose from {own},"):
        called(PATCH, SCENE[:1], pace=3)
