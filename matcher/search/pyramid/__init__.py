"""Coarse to fine: codes of one bit a pixel propose places, the exact engine settles what is in doubt."""
