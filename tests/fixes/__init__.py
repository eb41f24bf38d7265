"""Bugs with their fixes, to measure whether the generated test of each one really fails."""
