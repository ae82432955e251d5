"""Everything with a gradient: the teacher fitted, the student cut out of it and distilled."""
