"""Challenges with known answers, cut from co-registered time series of any form."""
