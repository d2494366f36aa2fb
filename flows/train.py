"""Stage `train@HEAD`: one residual network, its best epoch kept."""

from pathlib import Path

import params
from tasks.orchestration.api import flow
from tasks.plots.training import draw_distorted, report_training
from tasks.training.checkpoints import forget_states
from tasks.training.fit import fit_head


@flow
def train(head: params.Head) -> None:
    """Train a head's network on its prepared faces."""
    settings = getattr(params.load().train.chosen, head)
    prepared, unfinished = Path(f"data/prepared/{head}"), Path(f"models/unfinished/{head}")
    curve, model = Path(f"reports/train/{head}.csv"), Path(f"models/trained/{head}.keras")
    draw_distorted(head, prepared, settings, Path(f"reports/train/{head}-distorted.png"))
    fit_head(head, prepared, settings, unfinished, model, curve, Path(f"reports/train/{head}.json"))
    report_training(head, prepared, curve, Path(f"reports/train/{head}.png"))
    forget_states(unfinished)


if __name__ == "__main__":
    from flows.stage import main

    main(train)
