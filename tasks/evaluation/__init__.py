"""Predictions on the test split, metrics, ablations, slices, robustness, drift reference."""
