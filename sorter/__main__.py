"""``python -m sorter`` is the command line."""

from sorter.cli import main

main()
