"""The command line: ``sorter``."""

from sorter.cli.main import main

__all__ = ["main"]
