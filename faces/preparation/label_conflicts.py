"""What becomes of copies that bear different labels."""

import numpy as np


def resolve(labels: np.ndarray, cluster: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (N,) after conflicts inside clusters (N,) are resolved, which faces stay, and which were in conflict.

    `how`: "keep" changes nothing; "drop" drops every face of a cluster that bears several labels; "majority" gives them
    the commonest label, and drops those of a cluster in which no label is the commonest.
    """
    resolved, stay, conflict = labels.copy(), np.ones(len(labels), bool), np.zeros(len(labels), bool)
    numbers, sizes = np.unique(cluster, return_counts=True)
    for number in numbers[sizes > 1]:
        members = np.flatnonzero(cluster == number)
        names, counts = np.unique(labels[members], return_counts=True)
        if len(names) == 1:
            continue
        conflict[members] = True
        if how == "majority" and (counts == counts.max()).sum() == 1:
            resolved[members] = names[counts.argmax()]
        elif how != "keep":
            stay[members] = False
    return resolved, stay, conflict
