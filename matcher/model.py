"""The fitted numbers of a match in one file: how templates are whitened, what colour says, how sure a score is."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError
from matcher.evidence import Responses
from matcher.formats.files import atomic_write
from matcher.formats.npz import open_archive
from matcher.values import compared

VERSION = 4  # of the file: what its numbers mean
FREQUENCIES = 12  # of a response: 0 to 11/16 cycles a pixel
_FILE = "model.npz"
_RESPONSE = "response-"  # before a kind's name
_NAMES = ("evidence", "bands")  # arrays of names
Arrays = Mapping[str, NDArray]


class Trust(NamedTuple):
    """Log odds that an answer is right: two logistic regressions on `matcher.decision.confidence.confidence_features`.

    `level`, `score` and `lead` are against answers of patches that are in none of the targets, where half of all are;
    `wrong_level`, `wrong_score` and `wrong_lead` against wrong answers of patches that are there.
    """

    level: float
    score: float
    lead: float
    wrong_level: float
    wrong_score: float
    wrong_lead: float


class Odds(NamedTuple):
    """Log odds that a place is the right one, against any other pixel.

    Of score s they are slope s + level. `flat` is the level of patches without texture
    (`matcher.decision.reasons.fault`), whose best places are noise more often. `mutual` is what a nat of mutual
    information (`matcher.evidence.mutual`) adds to the log odds of one candidate against the others.
    """

    level: float
    slope: float
    flat: float
    mutual: float


@compared
@dataclass(frozen=True)
class ColourModel:
    """Covariances of differences of colour statistics, means of the bands first, then deviations.

    Attributes
    ----------
    bands : tuple of str
        Their names.
    within, apart : ndarray (2 bands, 2 bands), float64
        Between two dates of one place, and between different places.
    """

    bands: tuple[str, ...]
    within: NDArray[np.float64]
    apart: NDArray[np.float64]


@compared
@dataclass(frozen=True)
class Model:
    """What `matcher fit` fits, and a match goes by.

    Attributes
    ----------
    evidence : tuple of str
        Kinds of evidence whose scores `trust` and `odds` were fitted to.
    responses : dict of str to tuple of float
        By kind of evidence, what its templates are multiplied by: `matcher.evidence.channel.Channel.response`.
    colour : ColourModel
        How colour and texture level differ between dates of one place, and between places.
    trust : Trust
        The probability that an answer is right, from its score and the runner-up's.
    odds : Odds
        Of one place against any other pixel, from its score and its mutual information.
    """

    evidence: tuple[str, ...]
    responses: Responses
    colour: ColourModel
    trust: Trust
    odds: Odds

    def fits(self, evidence: tuple[str, ...]) -> bool:
        """Whether the numbers were fitted to scores of this evidence."""
        return evidence == self.evidence

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the numbers to ``.npz``.

        Raises
        ------
        MatcherError
            If the file cannot be written.
        """
        with atomic_write(path) as file:
            np.savez(file, **self._arrays())  # type: ignore[arg-type]

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers."""
        sha = hashlib.sha256()
        for name, array in self._arrays().items():
            sha.update(
                f"{name}{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes()
            )
        return sha.hexdigest()

    def _arrays(self) -> dict[str, NDArray]:
        return {
            "version": np.array(VERSION),
            "evidence": np.array(self.evidence),
            **{_RESPONSE + name: np.array(values) for name, values in sorted(self.responses.items())},
            "bands": np.array(self.colour.bands),
            "within": self.colour.within,
            "apart": self.colour.apart,
            "trust": np.array(self.trust),
            "odds": np.array(self.odds),
        }


def read_model(path: str | os.PathLike[str]) -> Model:
    """Read what `Model.save` wrote.

    Raises
    ------
    FormatError
        If the file is missing, damaged, of another version, or holds something else.
    """
    name = os.fspath(path)
    arrays = _load(name)
    responses = {
        key.removeprefix(_RESPONSE): array for key, array in arrays.items() if key.startswith(_RESPONSE)
    }
    _check_names(name, arrays)
    _check_numbers(name, arrays, [_RESPONSE + kind for kind in responses])
    return Model(
        tuple(arrays["evidence"].tolist()),
        {kind: tuple(array.tolist()) for kind, array in responses.items()},
        ColourModel(tuple(arrays["bands"].tolist()), arrays["within"], arrays["apart"]),
        Trust(*arrays["trust"].tolist()),
        Odds(*arrays["odds"].tolist()),
    )


def _load(name: str) -> dict[str, NDArray]:
    """The arrays of a model's file, of which none is missing; their shapes and values are not looked at yet."""
    members = open_archive(name)
    wanted = ("within", "apart", "trust", "odds", "bands")
    missing = [key for key in wanted if key not in members]
    if missing:
        raise FormatError(
            f"{name}: has no array {missing[0]!r}; a file that `matcher fit` wrote was expected"
        )
    arrays = {key: member.load(member.check()) for key, member in members.items()}
    version = arrays.get("version", np.array(1))
    if (
        version.shape != ()
        or version.dtype.kind not in "iu"
        or version != VERSION
        or "evidence" not in arrays
    ):
        raise FormatError(
            f"{name}: is a model of another version ({version.tolist()}; this program reads {VERSION}): "
            "fit it anew with `matcher fit`"
        )
    return arrays


def _check_names(name: str, arrays: Arrays) -> None:
    for key in _NAMES:
        if arrays[key].dtype.kind != "U" or arrays[key].ndim != 1 or not arrays[key].size:
            raise FormatError(f"{name}, array {key!r}: holds no names")


def _check_numbers(name: str, arrays: Arrays, responses: list[str]) -> None:
    """Raise where an array has the wrong shape, or a number that cannot be."""
    bands = 2 * arrays["bands"].size
    shapes = {
        "within": (bands, bands),
        "apart": (bands, bands),
        "trust": (len(Trust._fields),),
        "odds": (len(Odds._fields),),
        **dict.fromkeys(responses, (FREQUENCIES,)),
    }
    for key, shape in shapes.items():
        array = arrays[key]
        if array.dtype.kind != "f" or array.shape != shape or not np.isfinite(array).all():
            raise FormatError(
                f"{name}, array {key!r}: is {array.dtype} of shape {array.shape}; {shape} finite numbers were expected"
            )
    for key in ("within", "apart"):
        if np.linalg.eigvalsh(arrays[key]).min() <= 0:
            raise FormatError(f"{name}, array {key!r}: is no covariance: an eigenvalue is 0 or less")
    for key in responses:
        if arrays[key].min() <= 0:
            raise FormatError(f"{name}, array {key!r}: has a number of 0 or less")


@cache
def shipped() -> Model:
    """The numbers that ship with the package; `docs/method.md` has the command that made them."""
    with resources.as_file(resources.files("matcher").joinpath(f"data/{_FILE}")) as path:
        return read_model(path)
