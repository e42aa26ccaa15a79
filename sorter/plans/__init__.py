"""The life of a sort plan: load, check, compile into an image the line maps."""
