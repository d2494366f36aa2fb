"""The figures of docs/networks.md, measured and drawn: `python -m benchmarks.explanations`."""
