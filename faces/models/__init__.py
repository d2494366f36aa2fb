"""Architectures, and what turns their outputs into predictions."""
