"""The official score and the slides' reading of it, with intervals, by group."""

from matcher.scoring.judge import OFFICIAL_RADIUS, Judged, judge, official_points
from matcher.scoring.summary import Score, score

__all__ = ["OFFICIAL_RADIUS", "Judged", "Score", "judge", "official_points", "score"]
