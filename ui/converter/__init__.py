"""The converter of written losses."""
