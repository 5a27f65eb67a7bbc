"""What all tests share."""

from hypothesis import HealthCheck, settings

# A test that is slow on a busy machine has not failed.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
