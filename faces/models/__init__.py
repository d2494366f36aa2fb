"""Architectures, inference with flip TTA, and calibration."""
