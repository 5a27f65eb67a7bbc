"""Batch runs that survive: shard by shard into a run directory, resumable, on one machine or many."""

from matcher.runs.batch import Outcome, run, run_at_once
from matcher.runs.merge import merge
from matcher.runs.ready import Batch

__all__ = ["Batch", "Outcome", "merge", "run", "run_at_once"]
