"""The binary laboratory."""
