"""Stage `train@HEAD`: one residual network, its best epoch kept."""

from pathlib import Path

import params
from tasks.orchestration import flow
from tasks.train import fit_head, report_training


@flow
def train(head: params.Head) -> None:
    """Train a head's network on its prepared faces."""
    settings = getattr(params.load().train, head)
    prepared, curve = Path(f"data/prepared/{head}"), Path(f"reports/train/{head}.csv")
    fit_head(head, prepared, settings, Path(f"models/trained/{head}.keras"), curve)
    report_training(head, prepared, curve, Path(f"reports/train/{head}.png"))


if __name__ == "__main__":
    from flows.stage import main

    main(train)
