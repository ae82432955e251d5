"""Labelled text in, checked and divided; the built-in data set."""
