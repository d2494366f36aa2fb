"""Builds, fits and resumes the training of a model."""
