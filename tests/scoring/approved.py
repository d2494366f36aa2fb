"""Approved models for what is read of them after scoring."""

from faces.scoring.drift import Reference
from tasks.models.approved_models import ApprovedModels, TableClasses


def models_with(reference: Reference | None, tables: TableClasses | None = None) -> ApprovedModels:
    """Models with reference data, and with other classes for rows of tables if `tables` says which."""
    return ApprovedModels({}, {}, {}, ["anger", "disgust", "sad", "happiness", "surprise"], reference, tables)
