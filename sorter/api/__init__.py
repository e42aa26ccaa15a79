"""The HTTP face: health, metrics, lines, chutes, and the history of a piece."""
