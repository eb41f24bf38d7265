"""What the tracker costs: measured beside no tracker, another one, and the simplest thing that could work."""
