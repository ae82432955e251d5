"""pocketbert: labelled text in, three checked int8 bundles for phones out."""

__version__ = "0.1.0"
