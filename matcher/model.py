"""The fitted numbers of a match in one file: how templates are whitened, what colour says, how sure a score is."""

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from matcher.decision.colour import ColourModel
from matcher.decision.confidence import Odds, Trust
from matcher.errors import FormatError
from matcher.evidence import Responses
from matcher.formats.files import atomic_write
from matcher.formats.npz import open_archive

FREQUENCIES = 12  # of a response: 0 to 11/16 cycles a pixel
_FILE = "model.npz"
_RESPONSE = "response-"  # before a kind's name


@dataclass(frozen=True)
class Model:
    """What `matcher fit` fits, and a match goes by.

    Attributes
    ----------
    responses : dict of str to tuple of float
        By kind of evidence, what its templates are multiplied by: `matcher.evidence.channel.Channel.response`.
    colour : ColourModel
        How colour and texture level differ between dates of one place, and between places.
    trust : Trust
        The probability that an answer is right, from its score and the runner-up's.
    odds : Odds
        Of one place against any other pixel, from its score.
    """

    responses: Responses
    colour: ColourModel
    trust: Trust
    odds: Odds

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
        If the file is missing, damaged, or holds something else.
    """
    name = os.fspath(path)
    members = open_archive(name)
    missing = [key for key in ("bands", "within", "apart", "trust", "odds") if key not in members]
    if missing:
        raise FormatError(
            f"{name}: has no array {missing[0]!r}; a file that `matcher fit` wrote was expected"
        )
    arrays = {key: members[key].load(members[key].check()) for key in members}
    responses = {
        key.removeprefix(_RESPONSE): array for key, array in arrays.items() if key.startswith(_RESPONSE)
    }
    bands = 2 * arrays["bands"].size
    for key, shape in (
        ("within", (bands, bands)),
        ("apart", (bands, bands)),
        ("trust", (3,)),
        ("odds", (3,)),
        *((_RESPONSE + kind, (FREQUENCIES,)) for kind in responses),
    ):
        array = arrays[key]
        if array.dtype.kind != "f" or array.shape != shape or not np.isfinite(array).all():
            raise FormatError(
                f"{name}, array {key!r}: is {array.dtype} of shape {array.shape}; {shape} finite numbers were expected"
            )
        if key in ("within", "apart") and np.linalg.eigvalsh(array).min() <= 0:
            raise FormatError(f"{name}, array {key!r}: is no covariance: an eigenvalue is 0 or less")
    for kind, array in responses.items():
        if array.min() <= 0:
            raise FormatError(f"{name}, array {_RESPONSE + kind!r}: has a number of 0 or less")
    if arrays["bands"].dtype.kind != "U":
        raise FormatError(f"{name}, array 'bands': holds no names")
    return Model(
        {kind: tuple(array.tolist()) for kind, array in responses.items()},
        ColourModel(tuple(arrays["bands"].tolist()), arrays["within"], arrays["apart"]),
        Trust(*arrays["trust"].tolist()),
        Odds(*arrays["odds"].tolist()),
    )


@cache
def shipped() -> Model:
    """The numbers that ship with the package; `docs/method.md` has the command that made them."""
    with resources.as_file(resources.files("matcher").joinpath("data", _FILE)) as path:
        return read_model(path)
