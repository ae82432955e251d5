"""What a run found, as one page and as a model card."""
