"""The append-only record that every event and decision is in before the PLC may forget it."""
