"""Which group of errors is a bug, and what becomes of bugs and of old rows."""
