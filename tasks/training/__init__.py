"""Builds and trains models; resumes interrupted trainings."""
