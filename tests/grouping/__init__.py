"""Pairs of real tracebacks that must group together or stay apart."""
