"""Benchmarks, each run by `python -m benchmarks.NAME`, with the same library settings as stages."""

from tasks.common import process

# Libraries, which benchmarks import, read these variables when they are imported.
process.set_environment()
