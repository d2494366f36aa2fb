"""Stage `prepare@HEAD`: group, split, augment, normalise, in that order."""

from pathlib import Path

import params
from tasks.orchestration.api import flow
from tasks.preparation.leakage_check import check_leaks
from tasks.preparation.near_duplicates import draw_duplicates, group_faces
from tasks.preparation.normalization import normalise
from tasks.preparation.offline_augmentation import augment
from tasks.preparation.splits import split, split_after_augmenting
from tasks.preparation.summary import report_prepared


@flow
def prepare(head: params.Head) -> None:
    """Turn a head's valid rows into arrays that a network can be trained and judged on."""
    settings = getattr(params.load().prepare, head)
    valid, prepared, reports = (
        Path(f"data/valid/{head}.parquet"),
        Path(f"data/prepared/{head}"),
        Path("reports/prepare"),
    )
    grouped = group_faces(head, valid, settings, prepared / "groups.csv")
    if settings.split.protocol == "random":
        parted = split_after_augmenting(head, valid, grouped, settings, prepared)
        normalise(head, check_leaks(head, parted, settings.duplicates))
    else:
        parted = check_leaks(head, split(head, valid, grouped, settings, prepared), settings.duplicates)
        normalise(head, augment(head, parted, settings.augment))
    draw_duplicates(head, valid, prepared / "pairs.csv", reports / f"{head}-duplicates.png")
    report_prepared(head, prepared, reports / f"{head}.json", reports / f"{head}.png")


if __name__ == "__main__":
    from flows.stage import main

    main(prepare)
