"""Finds where a small satellite picture belongs: the image, the pixel, and how sure that is."""

import importlib
from typing import TYPE_CHECKING, Any

from matcher.version import VERSION

__version__ = VERSION

# What each public name is imported from, when it is first used: importing matcher loads nothing heavy.
_HOMES = {
    "MatcherError": "matcher.errors",
    "Placements": "matcher.placements",
    "Settings": "matcher.settings",
    "Result": "matcher.result",
    "match": "matcher.matching.run",
    "locate": "matcher.locating.run",
    "make_index": "matcher.indexing.making",
    "open_index": "matcher.indexing.opened",
    "ImageIndex": "matcher.indexing.opened",
    "align": "matcher.alignment.run",
    "verify": "matcher.verification.verifying",
    "retrieve": "matcher.ranking.run",
    "change": "matcher.changing.run",
    "cut": "matcher.cutting.run",
    "features": "matcher.shared.run",
    "fit_model": "matcher.fitting.run",
    "CutOptions": "matcher.cutting.options",
    "FitOptions": "matcher.fitting.options",
    "Pairs": "matcher.verification.pairs",
    "Place": "matcher.geo.place",
    "open_images": "matcher.formats.opening",
    "open_patches": "matcher.formats.opening",
    "open_series": "matcher.formats.opening",
    "read_submission": "matcher.formats.submission",
    "write_submission": "matcher.formats.submission",
    "score": "matcher.scoring",
    "Score": "matcher.scoring",
    "compare": "matcher.scoring",
    "Comparison": "matcher.scoring",
}

__all__ = list(_HOMES)

if TYPE_CHECKING:
    from matcher.alignment.run import align as align
    from matcher.changing.run import change as change
    from matcher.cutting.options import CutOptions as CutOptions
    from matcher.cutting.run import cut as cut
    from matcher.errors import MatcherError as MatcherError
    from matcher.fitting.options import FitOptions as FitOptions
    from matcher.fitting.run import fit_model as fit_model
    from matcher.formats.opening import open_images as open_images
    from matcher.formats.opening import open_patches as open_patches
    from matcher.formats.opening import open_series as open_series
    from matcher.formats.submission import read_submission as read_submission
    from matcher.formats.submission import write_submission as write_submission
    from matcher.geo.place import Place as Place
    from matcher.indexing.making import make_index as make_index
    from matcher.indexing.opened import ImageIndex as ImageIndex
    from matcher.indexing.opened import open_index as open_index
    from matcher.locating.run import locate as locate
    from matcher.matching.run import match as match
    from matcher.placements import Placements as Placements
    from matcher.ranking.run import retrieve as retrieve
    from matcher.result import Result as Result
    from matcher.scoring import Comparison as Comparison
    from matcher.scoring import Score as Score
    from matcher.scoring import compare as compare
    from matcher.scoring import score as score
    from matcher.settings import Settings as Settings
    from matcher.shared.run import features as features
    from matcher.verification.pairs import Pairs as Pairs
    from matcher.verification.verifying import verify as verify
else:  # a type checker that saw it would take any name for a public one

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'matcher' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
