"""What a trained network says of test faces it never saw, and of their mirror images."""

from pathlib import Path
from time import perf_counter

import numpy as np

from faces.augment import mirror_images
from faces.flip_averaging import averaged, mirrored_back
from params import EvaluateHead
from tasks.evaluated import Evaluated, save_evaluated
from tasks.models import load_network
from tasks.orchestration import log, task
from tasks.prepared import load_part

BATCH = 256


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
    save_evaluated(out, Evaluated(headline, plain, mirrored, flips, np.array(round(cost, 2)), test.rows))
    return out


def predictions_of(network, images: np.ndarray, flip_averaging: bool) -> np.ndarray:
    """Points (N, 15, 2) in pixels or probabilities (N, classes) of faces (N, H, W), by the setting flip-averaged."""
    plain = plain_predictions(network, images)
    return averaged(plain, mirrored_predictions(network, images)) if flip_averaging else plain


def plain_predictions(network, images: np.ndarray) -> np.ndarray:
    return network.predict(images, batch_size=BATCH, verbose=0)


def mirrored_predictions(network, images: np.ndarray) -> np.ndarray:
    return mirrored_back(plain_predictions(network, mirror_images(images)), images.shape[2])
