"""ExecuTorch: `.pte` files, lowered, read back, run."""
