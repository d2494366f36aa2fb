"""Figures, as matplotlib objects; the caller saves them."""
