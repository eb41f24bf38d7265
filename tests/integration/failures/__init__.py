"""One failure of each kind in each library, for the table in the docs."""
