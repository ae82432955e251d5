"""The sealed folder that crosses to a phone: sealed, opened, signed, installed, asked."""
