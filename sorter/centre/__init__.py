"""What surrounds the sorter: the upstream host that knows where pieces go."""
