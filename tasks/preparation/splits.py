"""Parts the faces into train, validation and test, and proves on the written files that no face straddles."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from faces.common.schema import COORDINATES
from faces.preparation.splits import (
    DROPPED,
    PARTS,
    by_chance,
    grouped_parts,
    official_parts,
    random_parts,
    share_differences,
)
from params import EmotionSplit, PrepareEmotion, PrepareKeypoints, Split
from tasks.common.csv_escaping import protected, unprotected
from tasks.common.dataset import Part, joined, save_part
from tasks.common.files import InputError, replacing
from tasks.orchestration.api import log, task
from tasks.preparation.near_duplicates import faces_of
from tasks.preparation.offline_augmentation import copies

NOT_ANSWERED = "class that is not answered with"


@task
def split(head: str, valid: Path, grouped: Path, settings: PrepareKeypoints | PrepareEmotion, prepared: Path) -> Path:
    """Part the faces by group, or officially, into `prepared`/{train,validation,test}.npz.

    What became of each valid row stands in `parts.csv`. Raises InputError where a part, or a class in a part, is empty,
    or a grouped part's class shares are too far off the whole's.
    """
    table, faces = pd.read_parquet(valid), unprotected(pd.read_csv(grouped, keep_default_na=False))
    stays = (faces["dropped"] == "").to_numpy()
    named = faces.loc[stays, "group"].tolist()
    part = np.full(len(faces), DROPPED, "<U10")
    if settings.split.protocol == "official":
        part[stays] = official_parts(
            _usages(valid, table)[stays], named, settings.split.seed, settings.split.validation
        )
    else:
        rules = settings.split
        part[stays] = grouped_parts(named, rules.seed, rules.validation, rules.test)
    faces.loc[stays & (part == DROPPED), "dropped"] = "its group stands in a part more precious"
    everyone = _everyone(head, table, faces, settings)
    not_judged = (part == "test") & ~_of_answers(everyone)
    faces.loc[not_judged, "dropped"] = NOT_ANSWERED
    part[not_judged] = DROPPED
    faces["part"] = part
    with replacing(prepared / "parts.csv") as temporary:
        protected(faces).to_csv(temporary, index=False, quoting=csv.QUOTE_NONNUMERIC)
    _write_parts(head, valid, everyone, part, settings.split, prepared)
    return prepared


@task
def split_after_augmenting(
    head: str, valid: Path, grouped: Path, settings: PrepareKeypoints | PrepareEmotion, prepared: Path
) -> Path:
    """The original project's order, which leaks: copy every face first, then part faces and copies by lot."""
    table, faces = pd.read_parquet(valid), unprotected(pd.read_csv(grouped, keep_default_na=False))
    stays = (faces["dropped"] == "").to_numpy()
    originals = _everyone(head, table, faces, settings)[stays]
    everyone = joined([originals, copies(originals, settings.augment)])
    part = random_parts(len(everyone), settings.split.seed, settings.split.validation, settings.split.test)
    not_judged = (part == "test") & ~_of_answers(everyone)
    part[not_judged] = DROPPED
    why = np.where(not_judged, NOT_ANSWERED, "")
    fate = pd.DataFrame({"row": everyone.rows, "kind": everyone.kinds, "part": part, "dropped": why})
    left_out = faces.loc[~stays, ["row", "dropped"]].assign(kind="original", part=DROPPED)
    with replacing(prepared / "parts.csv") as temporary:
        pd.concat([fate, left_out]).to_csv(temporary, index=False)
    _write_parts(head, valid, everyone, part, settings.split, prepared)
    save_part(prepared / "augmented.npz", everyone[:0])
    return prepared


def _of_answers(part: Part) -> np.ndarray:
    """Whether each face is of a class that is answered with; key points have no classes, and all stay."""
    return np.isin(part.targets, part.columns) if part.is_emotion else np.ones(len(part), bool)


def _usages(valid: Path, table: pd.DataFrame) -> np.ndarray:
    if "usage" not in table:
        remedy = "give a table with it, or choose prepare.emotion.split.protocol: grouped"
        raise InputError(f"{valid}: the official split needs the column Usage; {remedy}")
    if not (table["usage"] == "Training").any() or (table["usage"] == "Training").all():
        remedy = "choose prepare.emotion.split.protocol: grouped"
        raise InputError(
            f"{valid}: the official split needs Training rows and PublicTest or PrivateTest rows; {remedy}"
        )
    return table["usage"].to_numpy(str)


def _everyone(head: str, table: pd.DataFrame, faces: pd.DataFrame, settings: PrepareKeypoints | PrepareEmotion) -> Part:
    """All valid faces; the class number of one that is not trained on is -1."""
    rows = table["row"].to_numpy(np.int64)
    groups = faces.groupby("group")["row"].transform("min").to_numpy(np.int64)
    persons = table["person"].to_numpy(str) if "person" in table else np.full(len(table), "")
    kinds, protocol = np.full(len(rows), "original", "<U10"), np.array(settings.split.protocol)
    images = faces_of(table, head)
    if not isinstance(settings, PrepareEmotion):
        points = table[list(COORDINATES)].to_numpy(np.float32).reshape(-1, 15, 2)
        shifted = points + np.array(settings.label_shift, np.float32)
        none = np.array([], "<U1")
        return Part(images, shifted, rows, groups, persons, kinds, none, none, protocol)
    numbers = {str(name): number for number, name in enumerate(settings.classes)}
    targets = faces["label"].map(numbers).fillna(-1).to_numpy(np.int64)
    answers = np.array(settings.answers or settings.classes)
    return Part(images, targets, rows, groups, persons, kinds, np.array(settings.classes), answers, protocol)


def _write_parts(head: str, valid: Path, everyone: Part, own_part: np.ndarray, settings: Split, prepared: Path) -> None:
    for part in PARTS:
        if not (own_part == part).any():
            raise InputError(
                f"{valid}: no row falls into the {part} part; give more rows, or change prepare.{head}.split"
            )
    if everyone.is_emotion:
        _check_classes(valid, everyone, own_part, settings)
    for part in PARTS:
        own = everyone[own_part == part]
        save_part(prepared / f"{part}.npz", own.answered() if part == "test" else own)
    log(f"{head}: " + ", ".join(f"{part} {(own_part == part).sum()}" for part in PARTS) + everyone.caution)


def _check_classes(valid: Path, everyone: Part, own_part: np.ndarray, settings: Split) -> None:
    stays = (own_part != DROPPED) & _of_answers(everyone)
    everyone, own_part = everyone[stays].answered(), own_part[stays]
    targets = everyone.targets
    remedy = "give more of it, choose another prepare.emotion.split.seed, or leave it out of prepare.emotion.classes"
    for part in PARTS:
        for number, name in enumerate(everyone.classes):
            if not (targets[own_part == part] == number).any():
                raise InputError(f"{valid}: no face of the class {name} falls into the {part} part; {remedy}")
    if settings.protocol != "grouped" or not isinstance(settings, EmotionSplit):
        return
    overall = np.bincount(targets, minlength=len(everyone.classes)) / len(targets)
    for part, off in share_differences(targets, own_part, len(everyone.classes)).items():
        allowed = np.maximum(settings.max_share_difference, by_chance(overall, (own_part == part).sum()))
        if (np.abs(off) > allowed).any():
            worst = int((np.abs(off) - allowed).argmax())
            raise InputError(
                f"{valid}: the share of {everyone.classes[worst]} in the {part} part is {off[worst]:+.1%} off the "
                f"whole's; choose another prepare.emotion.split.seed, or raise max_share_difference"
            )
