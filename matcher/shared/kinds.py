"""How much of each kind of evidence the dates share: what the matcher's choice of evidence rests on."""

import numpy as np
from numpy.typing import NDArray

from matcher.evidence import channels
from matcher.imagery import Roles
from matcher.settings import EVIDENCE


def evidence_shares(stack: NDArray, roles: Roles) -> dict[str, float]:
    """The mean correlation between dates of each kind of evidence, over all pairs of dates.

    Where every date is what is shared and an unrelated part of its own, with the same energy on all dates, this is the
    share of energy that is shared.

    Parameters
    ----------
    stack : ndarray (dates, height, width, bands)
        DN, two dates or more.
    roles : Roles

    Returns
    -------
    dict of str to float
        By the names of `matcher.settings.EVIDENCE`, those that the bands allow; -1..1.
    """
    lacking = set() if stack.shape[-1] > 1 else {"ratio", "ratio-signed"}
    if roles.nir is None or roles.red is None:
        lacking.add("ndvi")
    names = tuple(n for n in EVIDENCE if n not in lacking)
    fields: dict[str, list[list[NDArray]]] = {name: [] for name in names}
    for dn in stack:
        for name in names:
            found = channels(np.ascontiguousarray(dn, np.float32), roles, (name,))
            fields[name].append([_unit(s, c.centred) for c in found for s in c.stacks])
    out = {}
    for name in names:
        dates = fields[name]
        pairs = [(i, j) for i in range(len(dates)) for j in range(i)]
        values = [
            np.mean([float(np.vdot(a, b)) for a, b in zip(dates[i], dates[j], strict=True)]) for i, j in pairs
        ]
        out[name] = float(np.mean(values))
    return out


def _unit(stack: NDArray, centred: bool) -> NDArray[np.float32]:
    """A stack of fields, less its mean where they are compared so, with energy 1."""
    values = stack - stack.mean((1, 2), keepdims=True) if centred else stack
    size = np.sqrt(np.square(values, dtype=np.float64).sum())
    return (values / max(float(size), 1e-9)).astype(np.float32)
