"""Every stage of a run, wrapped in the cache."""
