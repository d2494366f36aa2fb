"""Finds the faces that belong together: a person's, and copies and near-duplicates of one picture."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd

from faces.common.pixel_text import SIZES
from faces.plots.face_grid import faces_figure
from faces.preparation.label_conflicts import resolve
from faces.preparation.near_duplicates import clusters, image_keys, near_pairs
from faces.preparation.splits import groups
from params import Duplicates, EmotionDuplicates, PrepareEmotion, PrepareKeypoints
from tasks.common.csv_escaping import protected
from tasks.common.files import InputError, replacing
from tasks.orchestration.api import Progress, leave_picture, leave_table, log, task

SMALL_CLUSTER = 10
"""So many faces may be alike in a table of any size."""

LISTED, DRAWN = 50, 20


@task
def group_faces(head: str, valid: Path, settings: PrepareKeypoints | PrepareEmotion, out: Path) -> Path:
    """Write each valid row's cluster, group and label, and why it is dropped if it is.

    Beside it go `pairs.csv`, the near-duplicates by row, and `duplicates.json`, the counts.
    Columns of `out`, a CSV: row, cluster (the row of its first face), group, label ("" for key points), dropped ("" if
    it is not). Raises InputError where one cluster is too large to be near-duplicates.
    """
    table = pd.read_parquet(valid)
    faces = pd.DataFrame({"row": table["row"], "cluster": table["row"], "group": "", "label": "", "dropped": ""})
    if isinstance(settings, PrepareEmotion):
        faces["label"] = table["emotion"]
        faces["dropped"] = np.where(table["emotion"].isin(settings.classes), "", "class not trained on")
    # Faces that are not trained on must not decide how the others are grouped.
    chosen = (faces["dropped"] == "").to_numpy()
    images, rows, labels = faces_of(table, head)[chosen], table["row"].to_numpy()[chosen], faces["label"][chosen]
    persons = table["person"][chosen].tolist() if "person" in table else [""] * len(rows)
    log(f"{head}: looking for copies and near-duplicates among {len(rows)} faces")
    progress, rules = Progress(f"grouping-{head}", f"{head}: faces compared"), settings.duplicates
    alike = near_pairs(images, rules.max_distance, rules.min_correlation, progress.update)
    pairs = alike[["first", "second"]].to_numpy()
    keys = image_keys(images)
    cluster = clusters(len(rows), _with_copies(keys, pairs))
    _refuse_a_chain(head, valid, rows, cluster, rules)
    how = rules.conflicts if isinstance(rules, EmotionDuplicates) else "keep"
    may_change = _may_change(table, settings)[chosen]
    resolved, stay, conflict = _resolved(labels.to_numpy(str), cluster, may_change, how)
    faces.loc[chosen, "cluster"] = rows[cluster]
    faces.loc[chosen, "group"] = groups(keys, persons, pairs)
    faces.loc[chosen, "label"] = resolved
    faces.loc[chosen, "dropped"] = np.where(stay, "", "copies bear different labels")
    with replacing(out) as temporary:
        # Quoted: a name in which a carriage return stands would else be read as two rows.
        protected(faces).to_csv(temporary, index=False, quoting=csv.QUOTE_NONNUMERIC)
    with replacing(out.with_name("pairs.csv")) as temporary:
        alike.assign(first=rows[pairs[:, 0]], second=rows[pairs[:, 1]]).to_csv(temporary, index=False)
    counts = _counts(images, keys, pairs, cluster) | {
        "conflicts": how,
        "conflicting_clusters": len(np.unique(cluster[conflict])),
        "conflicting_faces": int(conflict.sum()),
        "relabelled_faces": int((resolved != labels).sum()),
    }
    _tell_counts(head, counts, out.with_name("duplicates.json"))
    _tell_conflicts(head, how, rows[conflict], cluster[conflict], labels[conflict].to_numpy(str))
    return out


@task
def draw_duplicates(head: str, valid: Path, pairs: Path, picture: Path) -> None:
    """Write and leave the pairs that are least alike of those that count as alike, to judge the thresholds by."""
    table, alike = pd.read_parquet(valid), pd.read_csv(pairs, dtype={"correlation": float})
    images, place = faces_of(table, head), pd.Series(range(len(table)), index=table["row"])
    shown, captions = [], []
    for pair in alike.nsmallest(DRAWN, "correlation").to_dict("records"):
        one, other = place[pair["first"]], place[pair["second"]]
        shown += [images[one], images[other][:, ::-1] if pair["mirrored"] else images[other]]
        labels = [f"\n{table['emotion'][number]}" if head == "emotion" else "" for number in (one, other)]
        how = f"{pair['correlation']:.3f}{', mirrored' if pair['mirrored'] else ''}"
        captions += [f"row {pair['first']}{labels[0]}", f"row {pair['second']} · {how}{labels[1]}"]
    if not shown:
        shown, captions = [np.full((SIZES[head], SIZES[head]), 255, np.uint8)], ["no two faces are alike"]
    title = f"{head}: the least alike of {len(alike)} pairs of near-duplicates, with their correlation"
    with replacing(picture) as temporary:
        faces_figure(np.stack(shown), captions, title).savefig(temporary, dpi=110)
    leave_picture(f"near-duplicates-{head}", picture, f"{head}: pairs of near-duplicates, the least alike first")


def faces_of(table: pd.DataFrame, head: str) -> np.ndarray:
    """The images of a valid table, (N, H, W) uint8."""
    return np.frombuffer(b"".join(table["pixels"]), np.uint8).reshape(-1, SIZES[head], SIZES[head])


def _resolved(
    labels: np.ndarray, cluster: np.ndarray, may_change: np.ndarray, how: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `resolve`, among the faces (N,) that may change; conflicts are those among all."""
    resolved, stay, conflict = resolve(labels, cluster, "keep")
    resolved[may_change], stay[may_change], _ = resolve(labels[may_change], cluster[may_change], how)
    return resolved, stay, conflict


def _may_change(table: pd.DataFrame, settings: PrepareKeypoints | PrepareEmotion) -> np.ndarray:
    # The official test labels are what others are compared by: copies among training rows change nothing in them.
    if settings.split.protocol == "official" and "usage" in table:
        return (table["usage"] == "Training").to_numpy()
    return np.ones(len(table), bool)


def _with_copies(keys: list[str], pairs: np.ndarray) -> np.ndarray:
    first: dict[str, int] = {}
    same = np.array([(first.setdefault(key, number), number) for number, key in enumerate(keys)]).reshape(-1, 2)
    return np.concatenate([pairs, same])


def _refuse_a_chain(head: str, valid: Path, rows: np.ndarray, cluster: np.ndarray, rules: Duplicates) -> None:
    numbers, sizes = np.unique(cluster, return_counts=True)
    largest = sizes.max(initial=0)
    if largest > max(rules.max_cluster * len(rows), SMALL_CLUSTER):
        some = ", ".join(map(str, rows[cluster == numbers[sizes.argmax()]][:5]))
        raise InputError(
            f"{valid}: {largest} of {len(rows)} faces are one cluster of near-duplicates (rows {some}, ...), more than "
            f"prepare.{head}.duplicates.max_cluster allows ({rules.max_cluster:.1%}): strangers are chained together; "
            "lower max_distance, raise min_correlation, or remove the copies"
        )


def _counts(images: np.ndarray, keys: list[str], pairs: np.ndarray, cluster: np.ndarray) -> dict[str, int]:
    sizes = np.bincount(cluster)
    unmirrored = len({image.tobytes() for image in images})
    return {
        "faces": len(images),
        "exact_copies": len(images) - unmirrored,
        "mirrored_copies": unmirrored - len(set(keys)),
        "near_duplicate_pairs": len(pairs),
        "clusters": int((sizes > 1).sum()),
        "faces_in_clusters": int(sizes[sizes > 1].sum()),
        "largest_cluster": int(sizes.max(initial=0)),
    }


def _tell_counts(head: str, counts: dict, out: Path) -> None:
    with replacing(out) as temporary:
        temporary.write_text(json.dumps(counts))
    what = [{"what": name.replace("_", " "), "count": count} for name, count in counts.items()]
    leave_table(f"duplicates-{head}", what, f"{head}: copies (beyond the first of each) and near-duplicates")


def _tell_conflicts(head: str, how: str, rows: np.ndarray, cluster: np.ndarray, labels: np.ndarray) -> None:
    """Leave the clusters whose faces bear different labels, (N,) each over those faces."""
    listed = []
    numbers = np.unique(cluster)
    for number in numbers[:LISTED]:
        members = cluster == number
        names, counts = np.unique(labels[members], return_counts=True)
        each = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
        listed.append({"rows": ", ".join(map(str, rows[members])), "labels": each})
    if listed:
        shown = f"the first {LISTED} of " if len(numbers) > LISTED else ""
        description = f"{head}: {shown}{len(numbers)} clusters with conflicting labels; by setting: {how}"
        leave_table(f"conflicts-{head}", listed, description)
