"""Flows: when things run. Loaded before any of them, hence before TensorFlow reads what is set here."""

import os

# TensorFlow's start-up notices about absent GPUs, several lines a stage, hide what a stage says itself.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
