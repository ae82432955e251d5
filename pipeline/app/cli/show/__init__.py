"""How results look in a terminal. Nothing is computed here but percentiles.

One module per kind of result, so that a chat does not import what a report needs.
"""
