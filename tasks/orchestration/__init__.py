"""Prefect, DVC, git and process support for every stage."""
