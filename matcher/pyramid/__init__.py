"""The coarse-to-fine search: codes, candidates, refinement."""
