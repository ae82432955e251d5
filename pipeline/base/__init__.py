"""What every room may use: no torch, no model, nothing slow to import."""
