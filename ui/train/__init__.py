"""The Train page: its form, its controls, log p(x) beside the curves."""
