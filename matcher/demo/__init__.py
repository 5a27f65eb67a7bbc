"""The sample that ships, matched, scored and drawn."""
