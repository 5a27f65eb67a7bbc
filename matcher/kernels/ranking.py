"""The best of many candidates, one a target, each with the best other place of its target."""

from numpy.typing import NDArray

from matcher.kernels.jit import kernel

Arrays = tuple[NDArray, NDArray, NDArray, NDArray, NDArray]


@kernel(nogil=True)
def _comes_first(one: float, y: int, x: int, other: float, v: int, u: int) -> bool:
    """Whether a score at (y, x) goes before another at (v, u): the higher, then the lower y, then the lower x."""
    if one != other:
        return one > other
    return y < v or (y == v and x < u)


@kernel(nogil=True)
def _offer(score: float, place: NDArray, best: NDArray, apart: int, rival: NDArray, at: NDArray) -> None:
    """Make a place (2,) the rival (1,), at (2,), where it lies apart from the best and goes before the one there."""
    y, x = place[0], place[1]
    far = abs(y - best[0]) > apart or abs(x - best[1]) > apart
    if score >= 0 and far and _comes_first(score, y, x, rival[0], at[0], at[1]):
        rival[0], at[0], at[1] = score, y, x


@kernel(nogil=True)
def best_targets(found: Arrays, apart: int, out: Arrays) -> None:
    """Best place of each of the best targets: (n, m) candidates to (n, keep), best first, each with its rival.

    found and out are (target, place, score, rival place, rival): target, score, rival (n, m), place, rival place
    (n, m, 2); a negative target is none. The rival is the best place, or rival, of the same target more than `apart`
    px off the best in y or x. Ties go to the lower target, y and x. out comes filled with what stands for none: -1, or
    0 for places.
    """
    target, place, score, rival_place, rival = found
    out_target, out_place, out_score, out_rival_place, out_rival = out
    keep = out_target.shape[1]
    for n in range(len(target)):
        count = 0
        for m in range(target.shape[1]):  # the best of every target, in their order
            t, s, y, x = target[n, m], score[n, m], place[n, m, 0], place[n, m, 1]
            if t < 0:
                continue
            slot = 0  # of this target, or the one past the last
            while slot < count and out_target[n, slot] != t:
                slot += 1
            if slot < count:
                if not _comes_first(
                    s, y, x, out_score[n, slot], out_place[n, slot, 0], out_place[n, slot, 1]
                ):
                    continue
            elif count < keep:
                count += 1
            else:
                slot = keep - 1
                last = out_score[n, slot]
                if s < last or (s == last and t > out_target[n, slot]):
                    continue
            while slot > 0 and (
                s > out_score[n, slot - 1] or (s == out_score[n, slot - 1] and t < out_target[n, slot - 1])
            ):
                out_target[n, slot] = out_target[n, slot - 1]
                out_score[n, slot] = out_score[n, slot - 1]
                for k in range(2):
                    out_place[n, slot, k] = out_place[n, slot - 1, k]
                slot -= 1
            out_target[n, slot], out_score[n, slot] = t, s
            out_place[n, slot, 0], out_place[n, slot, 1] = y, x
        for m in range(target.shape[1]):  # and their rivals
            for slot in range(count):
                if out_target[n, slot] == target[n, m]:
                    best, held, at = (
                        out_place[n, slot],
                        out_rival[n, slot : slot + 1],
                        out_rival_place[n, slot],
                    )
                    _offer(score[n, m], place[n, m], best, apart, held, at)
                    _offer(rival[n, m], rival_place[n, m], best, apart, held, at)
