"""Metrics, bootstrap intervals, slices, corruptions and baselines."""
