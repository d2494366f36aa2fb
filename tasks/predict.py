"""What a trained network says of test faces it never saw, and of their mirror images."""

from pathlib import Path
from time import perf_counter

import numpy as np

from faces.flip_averaging import BATCH, averaged, mirrored_predictions, plain_predictions
from params import EvaluateHead
from tasks.evaluated import Evaluated, save_evaluated
from tasks.models import load_network
from tasks.orchestration import log, task
from tasks.prepared import load_part


@task
def predict_test(head: str, model: Path, prepared: Path, settings: EvaluateHead, out: Path) -> Path:
    """Write the network's predictions for the test part and for its mirror images: see `Evaluated`."""
    test, network = load_part(prepared / "test.npz"), load_network(model)
    log(f"{head}: predicting {len(test)} test faces, and their mirror images")
    # Compiles, for whole batches and for what remains, which must not count in the times.
    plain_predictions(network, test.images[: BATCH + len(test) % BATCH])
    start = perf_counter()
    plain = plain_predictions(network, test.images)
    middle = perf_counter()
    mirrored = mirrored_predictions(network, test.images)
    cost = (perf_counter() - start) / (middle - start)
    headline = averaged(plain, mirrored) if settings.flip_averaging else plain
    flips = np.array(settings.flip_averaging)
    # Told, and not written: a time differs from run to run, and what DVC keeps must not.
    log(f"{head}: flip averaging takes {cost:.2f} times as long")
    save_evaluated(out, Evaluated(headline, plain, mirrored, flips, test.rows))
    return out
