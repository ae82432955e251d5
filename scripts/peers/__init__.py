"""Our artefacts against what one would use instead: `scripts/compare_peers` runs it."""
