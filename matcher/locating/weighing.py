"""How sure a chip's best place is: it and its rival judged on their scenes, by the rule of `matcher.match`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from matcher.decision.confidence import confidence
from matcher.decision.content import Content, content
from matcher.imagery import Pictures
from matcher.indexing.tiles import TiledSource
from matcher.locating.hits import Hit, ordered, rival
from matcher.locating.plan import LocatePlan
from matcher.search.candidates import Candidates, best_by_target
from matcher.search.pyramid.exact_tiles import weigh

_WHOLE = 1 << 40  # places along a side of a piece that is a whole scene
_CLEAR = 0.995  # above it no other look at the scene would change anything


@dataclass(frozen=True)
class Weighed:
    """A chip's hits, best first; the best other place than the first; and how sure the first is.

    `said` is what the chip has to say as the first hit lays it.
    """

    hits: list[Hit]
    rival: Hit | None
    said: Content | None
    sure: float


def weighed(planned: LocatePlan, hits: list[Hit]) -> Weighed:
    """Hits of one chip in order, and how sure the first is.

    The search judges places within its pieces. What does not stand out is judged again by the ground about it in the
    scene, so that no answer depends on how that is cut.
    """
    first = in_order(planned, ordered(hits))
    if not hits or first.sure >= _CLEAR:
        return first
    two = [first.hits[0], *([] if first.rival is None else [first.rival])]
    anew = [new for same in _by_variant(two) for new in _on_scene(planned, same)]
    most = max([hit.score for hit in ordered(anew)[1:]], default=0.0)
    # What was judged anew goes before: of the others none counts for more than the best but one of these.
    rest = [replace(hit, score=min(hit.score, most)) for hit in first.hits if hit not in two]
    return in_order(planned, ordered([*anew, *rest]))


def in_order(planned: LocatePlan, hits: list[Hit]) -> Weighed:
    """A chip's hits, best first, with the best other place among them and how sure the first is; 0 without any."""
    if not hits:
        return Weighed([], None, None, 0.0)
    best, second = hits[0], rival(planned.scenes, hits)
    said = content(best.job.patches[best.row_of], best.job.roles)
    sure = confidence(
        [best.score],
        [-1.0 if second is None else second.score],
        [said.independent],
        best.job.chance,
        best.job.model.trust,
        planned.asked.prior,
    )
    return Weighed(hits, second, said, float(sure[0]))


def _by_variant(hits: Sequence[Hit]) -> list[list[Hit]]:
    """Hits that one search found of one way to lay the chip, together."""
    out: list[list[Hit]] = []
    for hit in hits:
        same = [some for some in out if some[0].job is hit.job and some[0].row_of == hit.row_of]
        if same:
            same[0].append(hit)
        else:
            out.append([hit])
    return out


def _on_scene(planned: LocatePlan, hits: list[Hit]) -> list[Hit]:
    """One or two hits of a variant, judged by the ground about them in their scenes."""
    first = hits[0]
    tiles = first.search.tiles
    whole = TiledSource(planned.scenes, tiles.side, shrink=tiles.shrink, places=_WHOLE)
    number = {piece.scene: k for k, piece in enumerate(whole.pieces)}
    target = np.array([[number[hit.scene] for hit in hits]])
    place = np.array([[(hit.row, hit.col) for hit in hits]])
    score = np.array([[hit.score for hit in hits]], np.float32)
    task = replace(first.job.task(len(hits)), targets=Pictures(whole, first.job.targets.value_range))
    found = weigh(task, [first.row_of], best_by_target(Candidates.alone(target, place, score), len(hits)))
    found = found.beside(found.rivals())
    return [
        replace(
            first,
            piece=piece_of(tiles, whole.pieces[t].scene, int(y), int(x)),
            scene=whole.pieces[t].scene,
            row=int(y),
            col=int(x),
            score=float(s),
        )
        for t, (y, x), s in zip(found.target[0].tolist(), found.place[0], found.score[0], strict=True)
        if t >= 0 and s > 0
    ]


def piece_of(tiles: TiledSource, scene: int, row: int, col: int) -> int:
    """The first piece that holds a place of a scene, or lies nearest to it."""

    def off(k: int) -> int:
        piece = tiles.pieces[k]
        down = max(piece.row - row, row + tiles.side[0] - piece.row - piece.height, 0)
        right = max(piece.col - col, col + tiles.side[1] - piece.col - piece.width, 0)
        return max(down, right)

    return min((k for k, piece in enumerate(tiles.pieces) if piece.scene == scene), key=off)
