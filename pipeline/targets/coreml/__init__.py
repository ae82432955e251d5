"""Core ML: `.mlpackage` folders, lowered, read back, evaluated."""
