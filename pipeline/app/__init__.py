"""Rooms put together: cache, stages, search, report, command line. It computes nothing."""
