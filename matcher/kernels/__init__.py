"""Numba kernels: arrays in, arrays out, no policy, no options; each has a twin in tests/naive.py."""
