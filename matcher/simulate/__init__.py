"""The synthetic Earth: places with relief, fields, towns, water and weather, and challenges cut from them."""

from matcher.simulate.challenge import Simulated, simulate

__all__ = ["Simulated", "simulate"]
