"""Measurements side by side, each by `python -m benchmarks.NAME`, on the kernels that stages run on."""

import flows  # noqa: F401  sets what the heavy libraries read when they are loaded
