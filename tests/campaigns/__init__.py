"""Long runs that are made by hand and whose figures stand in bench/results."""
