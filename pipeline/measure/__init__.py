"""Verdicts and records: is it right, is it fast."""
