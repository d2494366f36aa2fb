"""What a trained network says of test faces it never saw, and of their mirror images."""

from pathlib import Path
from time import perf_counter

import numpy as np

from faces.models.calibration import fit_temperature
from faces.models.tta import BATCH, Inference, mirrored_predictions, plain_predictions, predictions_of
from params import EvaluateHead
from tasks.common.dataset import Part, load_part
from tasks.evaluation.predictions import Evaluated, save_evaluated
from tasks.models.keras_files import load_network
from tasks.orchestration.api import log, task


@task
def predict_test(head: str, model: Path, prepared: Path, settings: EvaluateHead, out: Path) -> Path:
    """Write the network's outputs for the test part and for its mirror images, and what to make of them: `Evaluated`.

    An emotion network's temperature is fitted on the validation part, on predictions made as the test part's are.
    """
    test, network = load_part(prepared / "test.npz"), load_network(model)
    log(f"{head}: predicting {len(test)} test faces, and their mirror images")
    # Compiles, for whole batches and for what remains, which must not count in the times.
    plain_predictions(network, test.images[: BATCH + len(test) % BATCH])
    start = perf_counter()
    plain = plain_predictions(network, test.images)
    middle = perf_counter()
    mirrored = mirrored_predictions(network, test.images)
    cost = (perf_counter() - start) / (middle - start)
    # Told, and not written: a time differs from run to run, and what DVC keeps must not.
    log(f"{head}: flip averaging takes {cost:.2f} times as long")
    how = _tempered(network, load_part(prepared / "validation.npz"), Inference(settings.flip_averaging))
    save_evaluated(out, Evaluated(plain, mirrored, np.array(how.flip_averaging), np.array(how.temperature), test.rows))
    return out


def _tempered(network, validation: Part, how: Inference) -> Inference:
    if not validation.is_emotion:
        return how
    validation = validation.answered()
    temperature = fit_temperature(validation.targets, predictions_of(network, validation.images, how))
    log(f"emotion: temperature {temperature:.3f}, fitted on {len(validation)} validation faces")
    return how._replace(temperature=temperature)
