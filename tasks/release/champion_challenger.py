"""Compares the challenger with the champion, which is in production, on the same test images."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from faces.preparation.near_duplicates import image_keys
from faces.release.champion_challenger import Comparison, emotion_comparisons, holm_correct, keypoint_comparisons
from params import Promote
from tasks.common.dataset import FaceDataset, load_dataset
from tasks.common.files import InputError
from tasks.common.npz import read_arrays
from tasks.evaluation.predictions import load_predictions
from tasks.models.approved_models import ApprovedModels, predict_functions
from tasks.orchestration.artifacts import log, log_table
from tasks.orchestration.decorators import task
from tasks.release.registry import dvc, tag_of


@task
def compare_with_champion(
    champion: ApprovedModels, version: str, settings: Promote, challenger: ApprovedModels
) -> None:
    """Compare both on the current test split, without images from the champion's training and validation splits.

    Logs a table. Raises InputError, naming every metric, if the challenger is worse by more than the tolerance.
    """
    if champion.classes != challenger.classes:
        log(f"{version} predicts other classes ({', '.join(champion.classes)}): the emotion models are not compared")
    predict, comparisons = predict_functions(champion), []
    for model_name in champion.paths:
        if model_name == "emotion" and champion.classes != challenger.classes:
            continue
        test = load_dataset(Path(f"data/prepared/{model_name}/test.npz"))
        predictions = load_predictions(Path(f"data/predictions/{model_name}.npz"))
        unseen = ~np.isin(image_keys(test.images), _seen_by(version, model_name))
        log(f"{model_name}: {version} did not see {unseen.sum()} of {len(test)} test faces in training")
        if unseen.any():
            of_champion = predict[model_name](test.images[unseen])
            comparisons += _comparisons(model_name, test[unseen], of_champion, predictions.predicted[unseen], settings)
    decided = holm_correct(comparisons)
    rows = [{**one._asdict(), "rejected": "WORSE" if one.rejected else "no worse"} for one in decided]
    if rows:
        log_table("promotion", rows, f"Comparison with {version}, the champion, on the same test faces")
    if worse := [one for one in decided if one.rejected]:
        lines = [_sentence(one) for one in worse]
        raise InputError(f"worse than {version}, which is in production; not promoted:\n" + "\n".join(lines))


def _comparisons(
    model_name: str, test: FaceDataset, champion: np.ndarray, challenger: np.ndarray, settings: Promote
) -> list[Comparison]:
    if model_name == "keypoints":
        return keypoint_comparisons(test.targets, champion, challenger, test.groups, nme=settings.max_nme_increase)
    tolerances = {"accuracy": settings.max_accuracy_drop, "recall": settings.max_recall_drop}
    return emotion_comparisons(test.targets, champion, challenger, test.groups, test.classes.tolist(), **tolerances)


def _seen_by(version: str, model_name: str) -> list[str]:
    """Returns the keys of the images in a version's training and validation splits."""
    with TemporaryDirectory() as folder:
        prepared = Path(folder) / model_name
        dvc("get", ".", f"data/prepared/{model_name}", "--rev", tag_of(version), "--out", str(prepared))
        # Only the images: earlier versions have other names for the rest.
        images = [read_arrays(prepared / f"{split}.npz", ["images"])["images"] for split in ("train", "validation")]
        return [key for split in images for key in image_keys(split)]


def _sentence(one: Comparison) -> str:
    values = f"{one.challenger:.4f} instead of {one.champion:.4f}"
    difference = f"{one.worse:.4f} ({one.low:.4f} to {one.high:.4f})"
    return f"  {one.model}: {one.metric} {values}, worse by {difference}, p = {one.p:.4f}"
