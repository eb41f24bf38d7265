"""
What one error is, as plain data: event, stack, fingerprint, texts.

Knows no Django.
"""
