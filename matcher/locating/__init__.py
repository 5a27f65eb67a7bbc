"""Chips found in scenes: what is searched at which pixel size, tiles, and the hits joined."""
