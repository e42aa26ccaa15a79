"""Where copies of the line's records go: shared memory, and the metrics made of it."""
