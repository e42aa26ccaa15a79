"""Scanners that are devices of their own, and how what they read is tied to pieces."""
