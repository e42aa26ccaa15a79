"""Sensors beside the sorters: what is read of them, whatever protocol they speak."""
