"""The outbox: what is to be filed with which tracker, and who does it when."""
