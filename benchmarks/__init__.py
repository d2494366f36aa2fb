"""Benchmarks, each run by `python -m benchmarks.NAME`, with the same library settings as stages."""

import flows  # noqa: F401  sets environment variables that the heavy libraries read when they are loaded
