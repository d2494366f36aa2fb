"""The constants of normalisation, and what a reviewer asks first of prepared faces."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faces.plots.face_grid import faces_figure
from faces.preparation.splits import PARTS
from tasks.common.dataset import Part, joined, load_part
from tasks.common.files import replacing
from tasks.orchestration.api import leave_picture, leave_table, task


@task
def report_prepared(head: str, prepared: Path, report: Path, picture: Path) -> None:
    """Write and leave the summary: protocol, rows, classes, what was dropped, duplicates, leaks, constants."""
    faces = {name: load_part(prepared / f"{name}.npz") for name in (*PARTS, "augmented")}
    split_parts = {name: faces[name] for name in PARTS}
    fate = pd.read_csv(prepared / "parts.csv", keep_default_na=False)
    summary = {
        "protocol": str(faces["train"].protocol),
        "leaking": faces["train"].leaks,
        "rows": {name: len(part) for name, part in faces.items()},
        "dropped": fate["dropped"][lambda why: why != ""].value_counts().to_dict(),
        "class_shares": {name: _shares(part) for name, part in split_parts.items() if part.is_emotion},
        "labelled_shares": {
            name: float(np.isfinite(part.targets).mean()) for name, part in split_parts.items() if not part.is_emotion
        },
        "persons": {name: len(set(part.persons.tolist()) - {""}) for name, part in split_parts.items()},
        **{
            name: json.loads((prepared / f"{name}.json").read_text())
            for name in ("duplicates", "leaks", "normalisation")
        },
    }
    with replacing(report) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    whole = {"whole": joined(list(split_parts.values()))} | faces
    rows = [
        {"part": name, "rows": len(part), **(_shares(part) if part.is_emotion else {})} for name, part in whole.items()
    ]
    caution = faces["train"].caution or "; none straddles"
    leave_table(f"prepare-{head}", rows, f"{head}: rows and class shares per part{caution}")
    with replacing(picture) as temporary:
        _before_and_after(faces["train"], faces["augmented"]).savefig(temporary, dpi=110)
    leave_picture(f"augmentation-{head}", picture, f"{head}: training faces and their copies")


def _shares(part: Part) -> dict[str, float]:
    counts = np.bincount(part.targets, minlength=len(part.classes))
    shares = counts / max(len(part), 1)
    return {str(name): float(round(share, 4)) for name, share in zip(part.classes, shares, strict=True)}


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
    title = f"Training faces, and their copies{train.caution}"
    return faces_figure(shown.images, captions, title, points, columns=min(faces, len(train)))
