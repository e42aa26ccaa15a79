"""The check of a PLC before go-live: it is its host for a minute, and reports what it saw."""
