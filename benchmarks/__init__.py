"""Measurements, kept apart from the tests: seeded, side by side with what users would run instead."""
