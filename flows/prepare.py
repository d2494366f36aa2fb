"""Stage `prepare@HEAD`: split, augment, normalise, in that order."""

from pathlib import Path

import params
from faces.labels import LABEL_SETS
from tasks.orchestration import flow
from tasks.prepare import augment, check_leaks, normalise, report_prepared, split


@flow
def prepare(head: params.Head) -> None:
    """Turn a head's valid rows into arrays that a network can be trained and judged on."""
    settings = params.load()
    mine = getattr(settings.prepare, head)
    classes = LABEL_SETS[settings.validate_.emotion.label_set]
    valid, prepared = Path(f"data/valid/{head}.parquet"), Path(f"data/prepared/{head}")
    parted = check_leaks(head, split(head, valid, mine.split, classes, prepared))
    normalise(head, augment(head, parted, mine.augment))
    report_prepared(head, prepared, Path(f"reports/prepare/{head}.json"), Path(f"reports/prepare/{head}.png"))


if __name__ == "__main__":
    from flows.stage import main

    main(prepare)
