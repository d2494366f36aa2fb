"""Model files, the inference engine, and the approved models."""
