"""Metrics, their intervals, slices, corruptions and baselines."""
