"""Predictions on the test split, metrics, ablations, slices, robustness and the drift reference."""
