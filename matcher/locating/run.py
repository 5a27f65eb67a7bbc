"""Where on Earth chips lie: scenes in pieces, the match, candidates apart from each other, sub-pixel places."""

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from affine import Affine

from matcher import checks
from matcher.aliases import Advance, Progress
from matcher.decision.reasons import IN_DOUBT, fault, fault_of_little, reason
from matcher.evidence import channels, templates
from matcher.formats.bandnames import named
from matcher.geo.place import Place
from matcher.imagery import Roles, tell_ranges, to_dn
from matcher.locating.found import Places
from matcher.locating.hits import Hit, apart, ground_about, shares
from matcher.locating.laying import rotation_of, scale_of
from matcher.locating.plan import LocateOptions, LocatePlan, plan
from matcher.locating.turning import chip_to_scene, turned
from matcher.locating.variants import LaidChips, Search, constant
from matcher.locating.weighing import Weighed, weighed
from matcher.matching.job import Job, prepare
from matcher.search.blocks import REACH
from matcher.search.candidates import Candidates
from matcher.search.peaks import best_peaks
from matcher.search.pyramid.index import Index
from matcher.search.subpixel import refine
from matcher.settings import Settings
from matcher.threads import limited

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger("matcher")
KEEP = 8  # pieces a chip and search; up to four of them can show the same place


def locate(
    chips: Any,
    scenes: Any,
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
    **options: "Unpack[LocateOptions]",
) -> Places:
    """Find where chips lie in scenes.

    Parameters
    ----------
    chips, scenes : path, sequence of paths, array, DataArray, or RasterSource
        What `matcher.formats.opening.open_rasters` takes. Arrays do not say where they lie: as scenes they need
        `pixels`.
    settings : Settings, optional
        Options of the match.
    progress : callable, optional
        Called with (pairs done, pairs in all) now and then.
    **options
        Fields of `matcher.locating.plan.Locating`, and of `Settings` in place of those of `settings`. `scale` may be
        ``"auto"``, and `near` a text as in ``--near``.

    Returns
    -------
    Places
        A list of `matcher.geo.place.Place`: for each chip in turn its places, best first; one of rank 0 where it was
        refused. Chips that were skipped have none; the log ``matcher`` warns of them. Notebooks show it with pictures.

    Raises
    ------
    MatcherError
        If an input cannot be read, a scene has no CRS (without `pixels`), bands do not fit, or a chip fits nowhere;
        the message names the file.
    """
    checks.function("progress", progress)
    planned = plan(chips, scenes, settings, **options)
    for one in planned.skipped:
        log.warning("skipped: %s", one)
    return run(planned, progress)


def run(planned: LocatePlan, progress: Progress | None = None) -> Places:
    """Do what was planned; see `locate`."""
    hits: dict[int, list[Hit]] = {k: [] for k in range(len(planned.chips))}
    blank = {k for k in hits if constant(planned.chips[k])}
    sure: set[int] = set()
    planned = ranged(planned)
    tell = _Progress(progress, planned.pairs)
    known: dict[int, Weighed] = {}  # of chips that were not sought since

    def best(chip: int) -> Weighed:
        if chip not in known:
            known[chip] = turned(planned, weighed(planned, hits[chip]))
        return known[chip]

    with limited(planned.settings.threads):
        for search in planned.searches:
            sought = [v for v in search.variants if v.chip not in blank]
            if not search.variants[0].first:
                sought = [v for v in sought if best(v.chip).sure < IN_DOUBT]
                sure |= {v.chip for v in search.variants if v.rotation} - {v.chip for v in sought}
            if sought:
                _search(planned, replace(search, variants=sought), hits, tell)
                for variant in sought:
                    known.pop(variant.chip, None)
        for search in planned.searches:
            search.tiles.check_seen()
        if sure:
            log.info("rotations: %d of %d chips are sure and are not turned further", len(sure), len(hits))
        places = [place for k in range(len(planned.chips)) for place in _places(planned, k, best(k))]
        return Places(places, planned.chips, planned.scenes)


def ranged(planned: LocatePlan) -> LocatePlan:
    """What was planned, with what the numbers of scenes and chips are told where nobody said."""
    if planned.settings.value_range != "auto" or planned.ranges is not None:
        return planned
    first, stored = planned.searches[0], planned.stored
    side = None if stored is None else stored.of_tiles(first.tiles, first.bands)
    looked = None if stored is None or side is None else stored.looked(side)
    return replace(planned, ranges=tell_ranges(first.tiles, planned.chips, looked))


class _Progress:
    """Pairs done, over all searches; the total grows where doubtful chips are tried again."""

    def __init__(self, report: Progress | None, total: int) -> None:
        self._report, self._done, self._total = report, 0, total

    def __call__(self, more: int) -> None:
        self._done += more
        self._total = max(self._total, self._done)
        if self._report is not None:
            self._report(self._done, self._total)


def _search(planned: LocatePlan, search: Search, hits: dict[int, list[Hit]], report: Advance) -> None:
    """One search: its hits are added to those of the chips."""
    laid = LaidChips(planned.chips, search.variants).that_can_be_placed()
    if not len(laid):
        return
    search = replace(search, variants=list(laid.variants))
    settings = replace(planned.settings, bands=search.bands)
    job = prepare(search.tiles, laid, settings, ranges=planned.ranges)
    found = _candidates(job, report, _index(planned, search, job))
    found = found.beside(found.rivals())
    scene, row, col = search.tiles.to_scene(found.target, found.place[..., 0], found.place[..., 1])
    for n, variant in enumerate(search.variants):
        hits[variant.chip] += [
            Hit(
                variant,
                search,
                job,
                n,
                int(found.target[n, m]),
                int(scene[n, m]),
                int(row[n, m]),
                int(col[n, m]),
                float(found.score[n, m]),
            )
            for m in range(found.target.shape[1])
            if found.target[n, m] >= 0 and found.score[n, m] > 0
        ]


def _index(planned: LocatePlan, search: Search, job: Job) -> Index | None:
    """The codes of the pieces of a search, where the scenes are of an index that holds them."""
    stored = planned.stored
    if stored is None or job.settings.search != "pyramid":
        return None
    side = stored.of_tiles(search.tiles, job.settings.bands)
    if side is None:
        log.warning(
            "%s: holds no codes of these pieces for chips of %d x %d px, so they are made for this run alone",
            stored.folder,
            *search.tiles.side,
        )
        return None
    stored.check(job.settings.bands or (), job.targets.value_range)
    return stored.index(side)


def _candidates(job: Job, report: Advance, index: Index | None) -> Candidates:
    """The best pieces of every chip of a job, all of one size."""
    which = list(range(len(job.patches)))
    return job.weigh(which, job.search(which, KEEP, report, index))


def _exact_peaks(hit: Hit, count: int) -> list[Hit]:
    """The best places of a hit's chip in its piece, by the exact engine."""
    own = templates(
        hit.job.patches[hit.row_of], hit.job.roles, hit.job.settings.evidence, hit.job.model.responses
    )
    picture = channels(hit.job.targets[hit.piece], hit.job.roles, hit.job.settings.evidence)
    piece = hit.search.tiles.pieces[hit.piece]
    return [
        replace(hit, row=piece.row + row, col=piece.col + col, score=score, pose=None)
        for row, col, score in best_peaks(own, picture, count)
    ]


def _places(planned: LocatePlan, chip: int, best: Weighed) -> list[Place]:
    """The answer for one chip, by its hits as its ground lays them."""
    code = _reason(planned, chip, best)
    if not best.hits or best.sure < planned.asked.min_confidence:
        why = code or "less sure than was asked for"
        log.info(
            "%s: in none of these scenes (%s)%s", planned.chips.where(chip), why, _guess(planned, best.hits)
        )
        return [_refused(planned, chip, best.sure, code)]
    shown = _shown(planned, best)[: planned.asked.candidates]
    parts = shares(best.sure, [hit.score for hit in shown])
    first = best.hits[0].score  # the same however many places are asked for
    return [
        _place(planned, replace(hit, score=min(hit.score, first)), n + 1, part, "" if n else code)
        for n, (hit, part) in enumerate(zip(shown, parts, strict=True))
    ]


def _shown(planned: LocatePlan, best: Weighed) -> list[Hit]:
    """A chip's places, best first, no two on the same ground; further ones are sought where several are asked for."""
    found = apart(planned.scenes, best.hits)
    if planned.asked.candidates == 1:
        return found
    some = found[: planned.asked.candidates]
    out = [peak for hit in some for peak in _exact_peaks(hit, planned.asked.candidates)]
    own = [peak.score for peak in out if len(apart(planned.scenes, [found[0], peak])) == 1]
    first = found[0] if found[0].pose else replace(found[0], score=max(own, default=found[0].score))
    return [first, *apart(planned.scenes, [replace(first, score=math.inf), *out])[1:]]


def _guess(planned: LocatePlan, found: list[Hit]) -> str:
    """A refused chip's best place, in words."""
    if not found:
        return ""
    down, across = found[0].search.tiles.shrink
    row, col = round(found[0].row * down), round(found[0].col * across)
    return f"; best guess: {planned.scenes.where(found[0].scene)}, row {row}, column {col}"


def _reason(planned: LocatePlan, chip: int, best: Weighed) -> str:
    """Why a chip's answer is in doubt, or why the chip has little to say; empty where neither is so."""
    if best.said is None:
        array = planned.chips[chip]
        told: str = planned.settings.value_range if planned.ranges is None else planned.ranges[1]
        return fault(to_dn(array, told), Roles.of(named(planned.chips.rasters[chip].names))) or "weak"
    first = best.hits[0]
    patch, roles = first.job.patches[first.row_of], first.job.roles
    if best.sure >= IN_DOUBT:
        return fault_of_little(patch, roles, best.said)
    piece = first.search.tiles.pieces[first.piece]
    place = (first.row - piece.row, first.col - piece.col)
    window = first.job.targets.crop(first.piece, place, (patch.shape[0], patch.shape[1]))
    second = -1.0 if best.rival is None else best.rival.score
    return reason(patch, window, roles, best.said, first.score, second, first.job.chance)


def _place(planned: LocatePlan, hit: Hit, rank: int, sure: float, reason: str) -> Place:
    raster = planned.chips.rasters[hit.variant.chip]
    scene = planned.scenes.rasters[hit.scene]
    affine = hit.variant.affine(*_refined(hit)) if hit.pose is None else chip_to_scene(hit, hit.pose)
    linear = hit.variant.linear if hit.pose is None else (affine.a, affine.b, affine.d, affine.e)
    left, top = affine @ (0, 0)
    return Place(
        chip=raster.name,
        rank=rank,
        scene=scene.name,
        row=top,
        col=left,
        affine=affine,
        size=(raster.height, raster.width),
        georef=scene.georef,
        scale=scale_of(linear),
        rotation=rotation_of(linear),
        score=hit.score / 2,
        confidence=sure,
        reason=reason,
        chip_id=int(planned.chips.ids[hit.variant.chip]),
        scene_id=int(planned.scenes.ids[hit.scene]),
    )


def _refined(hit: Hit) -> tuple[float, float]:
    """A hit's place to a fraction of a pixel of the search."""
    window, (top, left) = ground_about(hit, REACH)
    patch = hit.job.patches[hit.row_of]
    place = (hit.row - top, hit.col - left)
    found = refine(patch, window, place, hit.job.roles, hit.job.settings.evidence)
    return found.row + top, found.col + left


def _refused(planned: LocatePlan, chip: int, sure: float, reason: str) -> Place:
    raster = planned.chips.rasters[chip]
    nowhere = Affine.translation(math.nan, math.nan)
    size = (raster.height, raster.width)
    return Place(
        raster.name, 0, "", math.nan, math.nan, nowhere, size, None, 1.0, 0.0, math.nan, sure, reason,
        chip_id=int(planned.chips.ids[chip]),
    )  # fmt: skip
