"""Groups the faces that must stay in one split: those of one subject, copies and near-duplicates."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd

from faces.preparation.label_conflicts import resolve_label_conflicts
from faces.preparation.near_duplicates import (
    count_distinct,
    duplicate_components,
    find_near_duplicates,
    image_keys,
)
from faces.preparation.splits import groups
from params import Duplicates, EmotionDuplicates, PrepareEmotion, PrepareKeypoints
from tasks.common.csv_escaping import protected
from tasks.common.files import InputError, replacing
from tasks.orchestration.artifacts import Progress, counted, log, log_table
from tasks.orchestration.decorators import task
from tasks.preparation.mapped_images import columns_without_pixels, mapped_images

SMALL_COMPONENT = 10
"""A component of up to this many faces is allowed in a table of any size."""

MAX_LISTED = 50
"""Conflicting components in the table."""

NOT_TRAINED = "class not trained on"
CONFLICTING = "copies have different labels"


@task
def group_faces(model_name: str, valid: Path, settings: PrepareKeypoints | PrepareEmotion, out: Path) -> Path:
    """Write the duplicate component, the group and the label of each valid row, and why a row is dropped.

    Also writes `near_duplicate_pairs.csv`, the near-duplicates by row, and `duplicates.json`, the counts. Columns of
    `out`, a CSV: row, component (row of its first face), group, label ("" for keypoints), dropped ("" if the row is
    kept). Raises InputError if a component is too large to consist of near-duplicates.
    """
    table = columns_without_pixels(valid)
    faces = pd.DataFrame({"row": table["row"], "component": table["row"], "group": "", "label": "", "dropped": ""})
    if isinstance(settings, PrepareEmotion):
        faces["label"] = table["emotion"]
        faces["dropped"] = np.where(table["emotion"].isin(settings.train_classes), "", NOT_TRAINED)
    # Faces of other classes must not decide how the others are grouped.
    trained = (faces["dropped"] == "").to_numpy()
    rows, labels = table["row"].to_numpy()[trained], faces["label"][trained]
    subjects = table["person"][trained].tolist() if "person" in table else [""] * len(rows)
    log(f"{model_name}: looking for copies and near-duplicates among {counted(len(rows), 'face')}")
    duplicates = settings.duplicates
    with mapped_images(valid, model_name, trained, out.parent) as images:
        near = _near_duplicates(model_name, images, duplicates)
        keys, num_distinct = image_keys(images), count_distinct(images)
    pairs = near[["first", "second"]].to_numpy()
    component = duplicate_components(len(rows), _with_copies(keys, pairs))
    _refuse_large_component(model_name, valid, rows, component, duplicates)
    policy = duplicates.label_conflicts if isinstance(duplicates, EmotionDuplicates) else "keep"
    may_change = _may_change(table, settings)[trained]
    resolved, kept, conflict = _resolve(labels.to_numpy(str), component, may_change, policy)
    faces.loc[trained, "component"] = rows[component]
    faces.loc[trained, "group"] = groups(keys, subjects, pairs)
    faces.loc[trained, "label"] = resolved
    faces.loc[trained, "dropped"] = np.where(kept, "", CONFLICTING)
    _write_tables(out, faces, near.assign(first=rows[pairs[:, 0]], second=rows[pairs[:, 1]]))
    counts = _counts(num_distinct, keys, pairs, component) | {
        "conflicts": policy,
        "conflicting_components": len(np.unique(component[conflict])),
        "conflicting_faces": int(conflict.sum()),
        "relabelled_faces": int((resolved != labels).sum()),
    }
    _report_counts(model_name, counts, out.with_name("duplicates.json"))
    _report_conflicts(model_name, policy, rows[conflict], component[conflict], labels[conflict].to_numpy(str))
    return out


def _resolve(
    labels: np.ndarray, component: np.ndarray, may_change: np.ndarray, policy: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `resolve_label_conflicts`, but only faces with `may_change` (N,) change; conflicts are those of all faces."""
    resolved, kept, conflict = resolve_label_conflicts(labels, component, "keep")
    resolved[may_change], kept[may_change], _ = resolve_label_conflicts(
        labels[may_change], component[may_change], policy
    )
    return resolved, kept, conflict


def _may_change(table: pd.DataFrame, settings: PrepareKeypoints | PrepareEmotion) -> np.ndarray:
    # Published results use the predefined test labels, so copies among the training rows must not change them.
    if settings.split.strategy == "predefined" and "usage" in table:
        return (table["usage"] == "Training").to_numpy()
    return np.ones(len(table), bool)


def _with_copies(keys: list[str], pairs: np.ndarray) -> np.ndarray:
    """The pairs (M, 2) of near-duplicates, and each face with the first one of the same key."""
    first: dict[str, int] = {}
    copies = np.array([(first.setdefault(key, number), number) for number, key in enumerate(keys)]).reshape(-1, 2)
    return np.concatenate([pairs, copies])


def _refuse_large_component(
    model_name: str, valid: Path, rows: np.ndarray, component: np.ndarray, duplicates: Duplicates
) -> None:
    numbers, sizes = np.unique(component, return_counts=True)
    largest = sizes.max(initial=0)
    if largest > max(duplicates.max_component_fraction * len(rows), SMALL_COMPONENT):
        some = ", ".join(map(str, rows[component == numbers[sizes.argmax()]][:5]))
        raise InputError(
            f"{valid}: {largest} of {len(rows)} faces are one component of near-duplicates (rows {some}, ...), more "
            f"than prepare.{model_name}.duplicates.max_component_fraction allows "
            f"({duplicates.max_component_fraction:.1%}): it chains unrelated faces together; "
            "lower max_hamming_distance, raise min_correlation, or remove the copies"
        )


def _write_tables(out: Path, faces: pd.DataFrame, pairs: pd.DataFrame) -> None:
    with replacing(out) as temporary:
        # Quoted: a name that contains a carriage return would otherwise be read as two rows.
        protected(faces).to_csv(temporary, index=False, quoting=csv.QUOTE_NONNUMERIC)
    with replacing(out.with_name("near_duplicate_pairs.csv")) as temporary:
        pairs.to_csv(temporary, index=False)


def _near_duplicates(model_name: str, images: np.ndarray, duplicates: Duplicates) -> pd.DataFrame:
    progress = Progress(f"grouping-{model_name}", f"{model_name}: faces compared")
    return find_near_duplicates(images, duplicates.max_hamming_distance, duplicates.min_correlation, progress.update)


def _counts(num_distinct: int, keys: list[str], pairs: np.ndarray, component: np.ndarray) -> dict[str, int]:
    sizes = np.bincount(component)
    return {
        "faces": len(keys),
        "exact_copies": len(keys) - num_distinct,
        "mirrored_copies": num_distinct - len(set(keys)),
        "near_duplicate_pairs": len(pairs),
        "components": int((sizes > 1).sum()),
        "faces_in_components": int(sizes[sizes > 1].sum()),
        "largest_component": int(sizes.max(initial=0)),
    }


def _report_counts(model_name: str, counts: dict, out: Path) -> None:
    with replacing(out) as temporary:
        temporary.write_text(json.dumps(counts))
    rows = [{"what": name.replace("_", " "), "count": count} for name, count in counts.items()]
    log_table(f"duplicates-{model_name}", rows, f"{model_name}: copies (beyond the first of each) and near-duplicates")


def _report_conflicts(
    model_name: str, policy: str, rows: np.ndarray, component: np.ndarray, labels: np.ndarray
) -> None:
    """Log the components whose faces have different labels; all arrays are (N,) over these faces."""
    listed = []
    numbers = np.unique(component)
    for number in numbers[:MAX_LISTED]:
        inside = component == number
        names, counts = np.unique(labels[inside], return_counts=True)
        each = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
        listed.append({"rows": ", ".join(map(str, rows[inside])), "labels": each})
    if listed:
        shown = f"the first {MAX_LISTED} of " if len(numbers) > MAX_LISTED else ""
        components = counted(len(numbers), "component")
        description = f"{model_name}: {shown}{components} with conflicting labels; label_conflicts: {policy}"
        log_table(f"conflicts-{model_name}", listed, description)
