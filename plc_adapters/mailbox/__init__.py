"""The memory image that a PLC and the service share, whatever protocol carries it."""
