"""What all tests share."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# A test that is slow on a busy machine has not failed.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# What maintainers run is tested too, and imports its neighbours by their bare names.
sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
