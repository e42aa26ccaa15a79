"""Where copies of the line's records go: counters in shared memory, and the metrics made of them."""
