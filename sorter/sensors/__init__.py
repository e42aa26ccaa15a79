"""Sensors beside the lines: reading them, judging the readings, keeping them as events."""
