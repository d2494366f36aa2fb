"""Draws figures and pages for a reviewer."""
