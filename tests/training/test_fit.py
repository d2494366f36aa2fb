"""The training task writes a model, its curve and its report, also after an interruption."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from faces.models.complexity import num_parameters
from params import TrainEmotion, TrainKeypoints
from tasks.common.dataset import load_dataset, save_dataset
from tasks.common.files import InputError
from tasks.models.keras_files import load_model
from tasks.plots.training import draw_augmented_batch, draw_learning_curve
from tasks.training.checkpoints import delete_checkpoints
from tasks.training.data import TrainingInputs
from tasks.training.fit import TrainingOutputs, train_model
from tests.conftest import PATIENCE, ROOT
from tests.tiny import CLASSES, CONSTANTS, EPOCHS, MODELS, SIZE, noise, training
from tests.tiny import part as dataset


class Paths(NamedTuple):
    prepared: Path
    checkpoints: Path
    model_path: Path
    curve: Path
    report: Path


def prepared(folder: Path, model_name: str) -> Paths:
    paths = Paths(
        folder / "prepared",
        folder / "checkpoints",
        folder / f"{model_name}.keras",
        folder / f"{model_name}.csv",
        folder / f"{model_name}.json",
    )
    for name, faces in (("train", 12), ("augmented", 6), ("validation", 7)):
        save_dataset(paths.prepared / f"{name}.npz", dataset(model_name, faces))
    (paths.prepared / "normalization.json").write_text(json.dumps(CONSTANTS))
    return paths


def fit(model_name: str, settings: TrainKeypoints | TrainEmotion, paths: Paths) -> Path:
    outputs = TrainingOutputs(paths.model_path, paths.curve, paths.report)
    train_model(model_name, TrainingInputs(paths.prepared), settings, paths.checkpoints, outputs)
    assert paths.checkpoints.exists()
    delete_checkpoints(paths.checkpoints)
    return paths.model_path


@pytest.mark.parametrize("model_name", MODELS)
def test_training_writes_model_curve_and_report_and_no_checkpoint(model_name: str, tmp_path: Path) -> None:
    paths = prepared(tmp_path, model_name)
    assert fit(model_name, training(model_name, epochs=2), paths) == paths.model_path
    model = load_model(paths.model_path)
    assert model.name == model_name
    predicted = np.asarray(model(noise(3)))
    assert predicted.shape == ((3, CLASSES) if model_name == "emotion" else (3, 15, 2))
    curve = pd.read_csv(paths.curve)
    assert curve["epoch"].tolist() == [1, 2]
    accuracies = ["accuracy", "val_accuracy"] if model_name == "emotion" else []
    assert set(curve.columns) == {"member", "epoch", "loss", "val_loss", *accuracies}
    assert np.isfinite(curve.to_numpy()).all()
    report = json.loads(paths.report.read_text())
    assert report["parameters"] == num_parameters(model)
    assert report["best_epochs"] == [1 + curve["val_loss"].argmin()]
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    inputs = {f"prepared/{name}" for name in ("train.npz", "augmented.npz", "validation.npz", "normalization.json")}
    assert files == inputs | {f"{model_name}.keras", f"{model_name}.csv", f"{model_name}.json"}


@pytest.mark.parametrize("model_name", MODELS)
def test_ensemble_is_the_mean_of_the_models_of_its_seeds(model_name: str, tmp_path: Path) -> None:
    single = []
    for seed in (1, 2):
        paths = prepared(tmp_path / f"{seed}", model_name)
        single.append(
            load_model(fit(model_name, training(model_name, epochs=2).model_copy(update={"seed": seed}), paths))
        )
    paths = prepared(tmp_path / "both", model_name)
    both = load_model(fit(model_name, training(model_name, epochs=2).model_copy(update={"ensemble_size": 2}), paths))
    first, second = (np.asarray(model(noise(3))) for model in single)
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(both(noise(3)), (first + second) / 2, rtol=1e-5)
    curve = pd.read_csv(paths.curve)
    assert curve["member"].tolist() == [1, 1, 2, 2]
    assert curve["epoch"].tolist() == [1, 2, 3, 4]
    for seed in (1, 2):
        own = pd.read_csv(tmp_path / f"{seed}" / f"{model_name}.csv")
        np.testing.assert_array_equal(own["val_loss"], curve["val_loss"][curve["member"] == seed])
    report = json.loads(paths.report.read_text())
    assert report["parameters"] == sum(map(num_parameters, single))
    assert len(report["best_epochs"]) == 2
    draw_learning_curve(model_name, paths.prepared, paths.curve, tmp_path)
    assert (tmp_path / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


def test_emotion_model_predicts_all_training_classes(tmp_path: Path) -> None:
    paths = prepared(tmp_path, "emotion")
    for name in ("train", "augmented", "validation"):
        faces = load_dataset(paths.prepared / f"{name}.npz")
        save_dataset(paths.prepared / f"{name}.npz", replace(faces, output_classes=faces.classes[[3, 1]]))
    model = load_model(fit("emotion", training("emotion", epochs=1).model_copy(update={"ensemble_size": 2}), paths))
    probabilities = np.asarray(model(noise(4)))
    assert probabilities.shape == (4, CLASSES)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_training_uses_the_copies_and_the_validation_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict = {}

    def instead(model, batches, validation, **options):
        given.update(images=batches(range(1))[0][0], validation=validation, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.training.fit.fit_model", instead)
    paths = prepared(tmp_path, "emotion")
    with pytest.raises(KeyboardInterrupt):
        fit("emotion", training("emotion", batch_size=100), paths)
    assert given["images"].shape == (12 + 6, SIZE, SIZE)
    np.testing.assert_array_equal(given["validation"][0], dataset("emotion", 7).images)
    np.testing.assert_array_equal(given["validation"][1], np.eye(CLASSES)[dataset("emotion", 7).targets])
    assert (given["metrics"], given["checkpoint"]) == (["accuracy"], None)
    assert given["epochs"] == EPOCHS


SCRIPT = """
import logging, sys, time
from pathlib import Path
from tasks.training import fit as training_fit
from tests.training.test_fit import Paths, fit
from tests.tiny import training

logging.basicConfig(level="INFO")
save_checkpoint = training_fit.save_checkpoint

def save_and_wait(path, fingerprint, checkpoint):
    save_checkpoint(path, fingerprint, checkpoint)
    if len(checkpoint.epochs) == int(sys.argv[1]):
        time.sleep(7200)

training_fit.save_checkpoint = save_and_wait
fit("keypoints", training("keypoints"), Paths(*map(Path, sys.argv[2:])))
"""


@contextmanager
def started(waits_after: int, paths: Paths) -> Iterator[subprocess.Popen[str]]:
    """A training in its own process group, which waits after `waits_after` epochs; the group is killed in the end."""
    command = [sys.executable, "-c", SCRIPT, str(waits_after), *map(str, paths)]
    output = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, text=True, start_new_session=True) as child:
        try:
            yield child
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def test_killed_training_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    uninterrupted, paths = prepared(tmp_path / "uninterrupted", "keypoints"), prepared(tmp_path / "killed", "keypoints")
    with started(2, paths) as first:
        fit("keypoints", training("keypoints"), uninterrupted)
        until = time.monotonic() + PATIENCE
        while len(epochs_in(paths.checkpoints / "seed-1.npz")) < 2:
            assert first.poll() is None, first.communicate()
            assert time.monotonic() < until
            time.sleep(0.05)
    assert first.returncode == -signal.SIGKILL
    assert paths.checkpoints.exists()
    assert not paths.model_path.exists()

    with started(0, paths) as second:
        output = "".join(second.communicate(timeout=PATIENCE))
    assert second.returncode == 0, output
    assert "keypoints: resuming an interrupted training after epoch 2" in output
    assert "epoch 2/5" not in output
    assert "epoch 3/5" in output
    assert paths.model_path.read_bytes() == uninterrupted.model_path.read_bytes()
    assert paths.curve.read_text() == uninterrupted.curve.read_text()
    assert paths.report.read_text() == uninterrupted.report.read_text()
    assert not paths.checkpoints.exists()


def epochs_in(checkpoint: Path) -> list:
    if not checkpoint.exists():
        return []
    with checkpoint.open("rb") as handle, np.load(handle) as arrays:
        return json.loads(str(arrays["about"]))["epochs"]


@pytest.mark.parametrize("model_name", MODELS)
def test_diverged_training_names_the_remedy(model_name: str, tmp_path: Path) -> None:
    paths, settings = prepared(tmp_path, model_name), training(model_name)
    optimizer = settings.optimizer.model_copy(update={"learning_rate": 1e38, "ema_decay": 0.0})
    with pytest.raises(InputError, match=rf"^{model_name}: training diverged in epoch \d; lower the learning_rate$"):
        fit(model_name, settings.model_copy(update={"optimizer": optimizer}), paths)
    assert not paths.model_path.exists()
    assert not paths.curve.exists()


def test_unreadable_checkpoint_is_not_resumed(tmp_path: Path) -> None:
    paths = prepared(tmp_path, "emotion")
    paths.checkpoints.mkdir()
    (paths.checkpoints / "seed-1.npz").write_bytes(b"half a checkpoint")
    fit("emotion", training("emotion", epochs=1), paths)
    assert pd.read_csv(paths.curve)["epoch"].tolist() == [1]
    assert not paths.checkpoints.exists()


@pytest.mark.parametrize("model_name", MODELS)
def test_figure_shows_an_augmented_batch(model_name: str, tmp_path: Path) -> None:
    figure = tmp_path / "augmented_batch.png"
    draw_augmented_batch(model_name, prepared(tmp_path, model_name).prepared, training(model_name), tmp_path)
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert figure.stat().st_size > 5000


def test_too_many_stages_for_the_image_size_are_rejected_first(tmp_path: Path) -> None:
    paths = prepared(tmp_path, "emotion")
    settings = training("emotion")
    architecture = settings.architecture.model_copy(update={"widths": (4,) * 5, "depths": (1,) * 5})
    with pytest.raises(
        InputError, match=rf"^{SIZE} px is not divisible by 32; give `widths` and `depths` fewer stages$"
    ):
        fit("emotion", settings.model_copy(update={"architecture": architecture}), paths)
    assert not paths.model_path.exists()


def test_lower_precision_is_of_the_training_only(tmp_path: Path) -> None:
    """The saved model is float32, as any other, and close to the one that was validated."""
    paths = prepared(tmp_path, "emotion")
    model = load_model(fit("emotion", training("emotion", epochs=2, precision="mixed_bfloat16"), paths))
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32", "uint8"} - {"uint8"}
    exact = load_model(fit("emotion", training("emotion", epochs=2), prepared(tmp_path / "exact", "emotion")))
    np.testing.assert_allclose(np.asarray(model(noise(3))), np.asarray(exact(noise(3))), atol=0.1)
    loss = pd.read_csv(paths.curve)["val_loss"].to_numpy()
    expected = pd.read_csv(tmp_path / "exact" / "emotion.csv")["val_loss"].to_numpy()
    np.testing.assert_allclose(loss, expected, rtol=0.05)
    assert (loss != expected).any()


def test_training_from_a_file_names_it_and_keeps_it(tmp_path: Path) -> None:
    first = fit("keypoints", training("keypoints", epochs=1), prepared(tmp_path / "first", "keypoints"))
    paths = prepared(tmp_path / "second", "keypoints")
    settings = training("keypoints", epochs=0, init_from="models/pretrained/keypoints/first.keras")
    outputs = TrainingOutputs(paths.model_path, paths.curve, paths.report)
    train_model("keypoints", TrainingInputs(paths.prepared, first), settings, paths.checkpoints, outputs)
    assert paths.model_path.read_bytes() == first.read_bytes()
    report = json.loads(paths.report.read_text())
    assert (report["best_epochs"], report["init_from"]["unchanged"]) == ([0], True)
    curve = pd.read_csv(paths.curve)
    assert curve["epoch"].tolist() == [0]
    assert np.isfinite(curve["val_loss"]).all()
    draw_learning_curve("keypoints", paths.prepared, paths.curve, tmp_path)
    assert (tmp_path / "learning_curve.png").exists()
