"""The HTTP face of a running service, asked by a machine."""
