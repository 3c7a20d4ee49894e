"""Pictures of a visitor's own on their way to a dataset: dropped or found, looked at, prepared, kept, removed."""
