"""Proves on the written files that no face straddles the splits."""

import json
from pathlib import Path

from faces.preparation.leakage import leaks
from faces.preparation.splits import PARTS
from params import Duplicates
from tasks.common.dataset import load_part
from tasks.common.files import replacing
from tasks.orchestration.api import Progress, leave_table, log, task

FORBIDDEN = ("images_in_two_parts", "near_duplicate_pairs_across_parts", "persons_in_two_parts")


@task
def check_leaks(head: str, prepared: Path, settings: Duplicates) -> Path:
    """Prove on the written files, by code that the split does not use, that no image, near-duplicate or person leaks.

    Under the protocol that leaks, count what does.
    """
    written = {part: load_part(prepared / f"{part}.npz") for part in PARTS}
    progress = Progress(f"leak-check-{head}", f"{head}: parts compared")
    log(f"{head}: comparing every face with those of the other parts")
    found = leaks(
        {p: part.images for p, part in written.items()},
        {p: part.persons.tolist() for p, part in written.items()},
        settings.max_distance,
        settings.min_correlation,
        progress.update,
    )
    with replacing(prepared / "leaks.json") as temporary:
        temporary.write_text(json.dumps(found))
    caution = written["train"].caution
    rows = [{"what": name.replace("_", " "), "count": count} for name, count in found.items()]
    leave_table(f"leaks-{head}", rows, f"{head}: what stands in more than one part{caution}")
    if written["train"].leaks:
        return prepared
    if any((written[part].kinds != "original").any() for part in PARTS):
        raise AssertionError(f"{head}: an augmented copy stands in a part")
    if any(found[name] for name in FORBIDDEN):
        remedy = f"where they are one picture, raise prepare.{head}.duplicates.max_distance"
        raise AssertionError(f"{head}: the split leaks: {found}; {remedy}")
    return prepared
