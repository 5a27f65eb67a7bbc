"""The best of many candidates, one a target."""

from numpy.typing import NDArray

from matcher.kernels.jit import kernel


@kernel(nogil=True)
def best_targets(
    target: NDArray,
    place: NDArray,
    score: NDArray,
    out_target: NDArray,
    out_place: NDArray,
    out_score: NDArray,
) -> None:
    """Best place of each of the best targets: (n, m) candidates to (n, keep), best first.

    target, score (n, m), place (n, m, 2); a negative target is none. Ties go to the lower target, y and x. out arrays
    come filled with what stands for none: -1, 0 and -1.
    """
    keep = out_target.shape[1]
    for n in range(len(target)):
        count = 0
        for m in range(target.shape[1]):
            t, s, y, x = target[n, m], score[n, m], place[n, m, 0], place[n, m, 1]
            if t < 0:
                continue
            slot = 0  # of this target, or the one past the last
            while slot < count and out_target[n, slot] != t:
                slot += 1
            if slot < count:
                old, oy, ox = out_score[n, slot], out_place[n, slot, 0], out_place[n, slot, 1]
                if s < old or (s == old and (y > oy or (y == oy and x >= ox))):
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
                out_place[n, slot] = out_place[n, slot - 1]
                slot -= 1
            out_target[n, slot], out_score[n, slot] = t, s
            out_place[n, slot, 0], out_place[n, slot, 1] = y, x
