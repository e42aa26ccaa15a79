"""One sorter line: the loop, what is tracked, and the ledger that proves it."""
