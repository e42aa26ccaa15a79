"""A whole centre on one machine: emulated sorter, service, database, and a live summary."""
