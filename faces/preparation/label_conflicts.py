"""Resolves different labels of copies of one face."""

import numpy as np


def resolve_label_conflicts(
    labels: np.ndarray, component: np.ndarray, how: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (N,) after resolution, which faces are kept (N,) bool, and which were in conflict (N,) bool.

    `component` (N,) is the duplicate component of each face. `how`: "keep" changes nothing; "drop" drops every face of
    a component with several labels; "majority" gives all of them the most frequent label, and drops the component if
    two labels are equally frequent.
    """
    resolved, kept, conflict = labels.copy(), np.ones(len(labels), bool), np.zeros(len(labels), bool)
    numbers, sizes = np.unique(component, return_counts=True)
    for number in numbers[sizes > 1]:
        inside = np.flatnonzero(component == number)
        names, counts = np.unique(labels[inside], return_counts=True)
        if len(names) == 1:
            continue
        conflict[inside] = True
        if how == "majority" and (counts == counts.max()).sum() == 1:
            resolved[inside] = names[counts.argmax()]
        elif how != "keep":
            kept[inside] = False
    return resolved, kept, conflict
