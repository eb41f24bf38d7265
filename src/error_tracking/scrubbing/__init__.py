"""
Takes secrets out of names, values and texts before anything is written.

Knows no Django.
"""
