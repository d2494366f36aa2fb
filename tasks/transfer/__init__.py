"""Uploads outputs to addresses."""
