"""McNemar's test: do two submissions hit equally often, judged by the patches that only one of them hits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Hits:
    """Two submissions' hits of one kind, counted over patches.

    Attributes
    ----------
    both, only_first, only_second, neither : int
        Patches hit by both, by one alone, by none.
    exact, mid_p : float
        Two-sided p-values of McNemar's exact conditional and mid-p test. They take patches for independent;
        where patches share images that is too bold, and the interval of the difference is the one to trust.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    exact: float
    mid_p: float


def hits_of(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Hits:
    """Count and test two arrays of hits, shape (n,) each, of the same patches."""
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    exact, mid_p = mcnemar(only_first, only_second)
    both = int(np.sum(first & second))
    return Hits(both, only_first, only_second, len(first) - both - only_first - only_second, exact, mid_p)


def mcnemar(only_first: int, only_second: int) -> tuple[float, float]:
    """Two-sided exact and mid-p values of the hypothesis that both counts are equally likely.

    The exact value is the binomial probability of splits no more likely than this one; the mid-p value takes
    those as likely as this one by half, and keeps its level on average where the exact one is timid.

    References
    ----------
    Fagerland, Lydersen and Laake, The McNemar test for binary matched-pairs data: mid-p and asymptotic are
    better than exact conditional, BMC Medical Research Methodology 13:91, 2013.
    """
    n, fewer = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return 1.0, 1.0
    from scipy.special import bdtr, gammaln

    as_likely = float(np.exp(gammaln(n + 1) - gammaln(fewer + 1) - gammaln(n - fewer + 1) - n * np.log(2.0)))
    if 2 * fewer == n:
        return 1.0, 1.0 - as_likely / 2
    exact = min(1.0, 2 * float(bdtr(fewer, n, 0.5)))
    return exact, max(0.0, exact - as_likely)
