"""The real loop, journal and recorder in virtual time, among faults drawn from a seed."""
