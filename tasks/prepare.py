"""Splits, augments and normalises one head's faces, in that order: copies made before a split stand on both sides."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faces.augment import brighten, mirror_images, mirror_points
from faces.figures import faces_figure
from faces.labels import COORDINATES
from faces.normalise import pixel_statistics
from faces.pixels import SIZES
from faces.splitting import PARTS, groups, image_keys, leaks, parts
from params import Augment, Split
from tasks.files import InputError, replacing
from tasks.orchestration import leave_picture, leave_table, log, task
from tasks.prepared import Part, joined, load_part, save_part


@task
def split(head: str, valid: Path, settings: Split, classes: tuple[str, ...], prepared: Path) -> Path:
    """Part the valid rows by group into `prepared`/{train,validation,test}.npz, and prove that nothing straddles."""
    table = pd.read_parquet(valid)
    size = SIZES[head]
    images = np.frombuffer(b"".join(table["pixels"]), np.uint8).reshape(-1, size, size)
    persons = table["person"].to_numpy(str) if "person" in table else np.full(len(table), "")
    own_part = parts(groups(image_keys(images), persons.tolist()), settings.seed, settings.validation, settings.test)
    everyone = _part(head, table, images, persons, classes)
    for part in PARTS:
        if not (own_part == part).any():
            raise InputError(f"{valid}: no row falls into the {part} part; give more rows, or another prepare seed")
        save_part(prepared / f"{part}.npz", everyone[own_part == part])
    log(f"{head}: " + ", ".join(f"{part} {(own_part == part).sum()}" for part in PARTS))
    return prepared


@task
def check_leaks(head: str, prepared: Path) -> Path:
    """Prove on the written files, by code that the split does not use, that no image and no person straddles."""
    written = {part: load_part(prepared / f"{part}.npz") for part in PARTS}
    found = leaks(
        {p: part.images for p, part in written.items()}, {p: part.persons.tolist() for p, part in written.items()}
    )
    if any(found.values()):
        raise AssertionError(f"{head}: the split leaks: {found}")
    log(f"{head}: no image, mirrored or not, and no person stands in two parts")
    return prepared


@task
def augment(head: str, prepared: Path, settings: Augment) -> Path:
    """Write copies of the training faces beside them, `augmented.npz`: mirrored, and brightened, by setting."""
    train = load_part(prepared / "train.npz")
    copies = [train[:0]]
    if settings.mirror:
        targets = train.targets if train.is_emotion else mirror_points(train.targets, train.images.shape[2])
        copies.append(
            replace(train, images=mirror_images(train.images), targets=targets, kinds=_kinds(train, "mirrored"))
        )
    if settings.brightness:
        factors = np.random.default_rng(settings.seed).uniform(*settings.brightness, len(train))
        copies.append(replace(train, images=brighten(train.images, factors), kinds=_kinds(train, "brightened")))
    augmented = joined(copies)
    save_part(prepared / "augmented.npz", augmented)
    log(f"{head}: {len(train)} training faces, {len(augmented)} augmented copies")
    return prepared


@task
def normalise(head: str, prepared: Path) -> Path:
    """Write the constants of the training faces, copies included, that the network will carry; arrays stay uint8."""
    images = np.concatenate([load_part(prepared / f"{name}.npz").images for name in ("train", "augmented")])
    statistics = pixel_statistics(images)
    with replacing(prepared / "normalisation.json") as temporary:
        temporary.write_text(json.dumps(statistics))
    log(f"{head}: grey levels of mean {statistics['mean']:.1f} and deviation {statistics['std']:.1f}")
    return prepared


@task
def report_prepared(head: str, prepared: Path, report: Path, picture: Path) -> None:
    """Write and leave what a reviewer asks first: rows and classes per part, leaks, copies, constants, a picture."""
    parts_here = {name: load_part(prepared / f"{name}.npz") for name in (*PARTS, "augmented")}
    split_parts = {name: parts_here[name] for name in PARTS}
    summary = {
        "rows": {name: len(part) for name, part in parts_here.items()},
        "class_shares": {name: _shares(part) for name, part in split_parts.items() if part.is_emotion},
        "labelled_shares": {
            name: float(np.isfinite(part.targets).mean()) for name, part in split_parts.items() if not part.is_emotion
        },
        "persons": {name: len(set(part.persons.tolist()) - {""}) for name, part in split_parts.items()},
        "normalisation": json.loads((prepared / "normalisation.json").read_text()),
    }
    with replacing(report) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    rows = [
        {"part": name, "rows": len(part), **(_shares(part) if part.is_emotion else {})}
        for name, part in parts_here.items()
    ]
    leave_table(f"prepare-{head}", rows, f"{head}: rows and class shares per part; none straddles")
    with replacing(picture) as temporary:
        _before_and_after(parts_here["train"], parts_here["augmented"]).savefig(temporary, dpi=110)
    leave_picture(f"augmentation-{head}", picture, f"{head}: training faces and their copies")


def _part(head: str, table: pd.DataFrame, images: np.ndarray, persons: np.ndarray, classes: tuple[str, ...]) -> Part:
    rows = table["row"].to_numpy(np.int64)
    kinds = np.full(len(rows), "original", "<U10")
    if head == "keypoints":
        points = table[list(COORDINATES)].to_numpy(np.float32).reshape(-1, 15, 2)
        return Part(images, points, rows, persons, kinds, np.array([], "<U1"))
    numbers = {name: number for number, name in enumerate(classes)}
    return Part(images, table["emotion"].map(numbers).to_numpy(np.int64), rows, persons, kinds, np.array(classes))


def _kinds(part: Part, kind: str) -> np.ndarray:
    return np.full(len(part), kind, "<U10")


def _shares(part: Part) -> dict[str, float]:
    counts = np.bincount(part.targets, minlength=len(part.classes))
    return {str(name): float(round(count / len(part), 4)) for name, count in zip(part.classes, counts, strict=True)}


def _before_and_after(train: Part, copies: Part, faces: int = 8) -> Figure:
    """One row of training faces above a row of each kind of copy, points drawn where there are points."""
    kinds = dict.fromkeys(copies.kinds.tolist())
    shown = joined([train[:faces], *(copies[copies.kinds == kind][:faces] for kind in kinds)])
    captions = [f"row {row} · {kind}" for row, kind in zip(shown.rows, shown.kinds, strict=True)]
    if train.is_emotion:
        captions = [
            f"{caption}\n{train.classes[target]}" for caption, target in zip(captions, shown.targets, strict=True)
        ]
    points = None if train.is_emotion else shown.targets
    return faces_figure(
        shown.images, captions, "Training faces, and their copies", points, columns=min(faces, len(train))
    )
