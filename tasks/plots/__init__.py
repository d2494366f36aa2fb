"""Draws figures into `reports/`."""
