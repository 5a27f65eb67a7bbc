"""Whether two patches show the same place: evidence, a calibrated probability, and what it is worth."""
