"""The official score and the slides' reading of it, with intervals, by group; and submissions compared."""

from matcher.placements import OFFICIAL_RADIUS
from matcher.scoring.comparison import Comparison, compare
from matcher.scoring.judge import Judged, judge, official_points
from matcher.scoring.pair import Pair
from matcher.scoring.summary import Score, score

__all__ = [
    "OFFICIAL_RADIUS",
    "Comparison",
    "Judged",
    "Pair",
    "Score",
    "compare",
    "judge",
    "official_points",
    "score",
]
