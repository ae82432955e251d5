"""Bench times a runner; it knows nothing about models."""
