"""Training as a task: a network and its curve on disk, whatever cut it off in between."""

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

from faces.models.calibration import fit_biases, fit_temperature, with_temperature
from params import TrainEmotion, TrainKeypoints
from tasks.common.dataset import load_part, save_part
from tasks.common.files import InputError
from tasks.models.keras_files import load_network
from tasks.plots.training import draw_distorted, report_training
from tasks.training.checkpoints import forget_states
from tasks.training.fit import fit_head
from tests.conftest import PATIENCE, ROOT
from tests.tiny import CLASSES, CONSTANTS, EPOCHS, HEADS, SIZE, noise, part, training


class Paths(NamedTuple):
    prepared: Path
    unfinished: Path
    model: Path
    curve: Path
    report: Path


def prepared(folder: Path, head: str) -> Paths:
    paths = Paths(
        folder / "prepared",
        folder / "unfinished",
        folder / f"{head}.keras",
        folder / f"{head}.csv",
        folder / f"{head}.json",
    )
    for name, faces in (("train", 12), ("augmented", 6), ("validation", 7)):
        save_part(paths.prepared / f"{name}.npz", part(head, faces))
    (paths.prepared / "normalisation.json").write_text(json.dumps(CONSTANTS))
    return paths


def fit(head: str, settings: TrainKeypoints | TrainEmotion, paths: Paths) -> Path:
    fit_head(head, paths.prepared, settings, paths.unfinished, paths.model, paths.curve, paths.report)
    assert paths.unfinished.exists()
    forget_states(paths.unfinished)
    return paths.model


@pytest.mark.parametrize("head", HEADS)
def test_a_training_leaves_a_network_and_its_curve_and_nothing_unfinished(head: str, tmp_path: Path) -> None:
    paths = prepared(tmp_path, head)
    assert fit(head, training(head, epochs=2), paths) == paths.model
    network = load_network(paths.model)
    assert network.name == head
    predicted = np.asarray(network(noise(3)))
    assert predicted.shape == ((3, CLASSES) if head == "emotion" else (3, 15, 2))
    curve = pd.read_csv(paths.curve)
    assert curve["epoch"].tolist() == [1, 2]
    accuracies = ["accuracy", "val_accuracy"] if head == "emotion" else []
    assert set(curve.columns) == {"member", "epoch", "loss", "val_loss", *accuracies}
    assert np.isfinite(curve.to_numpy()).all()
    report = json.loads(paths.report.read_text())
    assert report["parameters"] == network.count_params()
    assert report["best_epochs"] == [1 + curve["val_loss"].argmin()]
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    parts = {f"prepared/{name}" for name in ("train.npz", "augmented.npz", "validation.npz", "normalisation.json")}
    assert files == parts | {f"{head}.keras", f"{head}.csv", f"{head}.json"}


@pytest.mark.parametrize("head", HEADS)
def test_members_are_the_networks_of_their_seeds_and_their_mean_is_saved(head: str, tmp_path: Path) -> None:
    alone = []
    for seed in (1, 2):
        paths = prepared(tmp_path / f"{seed}", head)
        alone.append(load_network(fit(head, training(head, epochs=2).model_copy(update={"seed": seed}), paths)))
    paths = prepared(tmp_path / "both", head)
    both = load_network(fit(head, training(head, epochs=2).model_copy(update={"members": 2}), paths))
    first, second = (np.asarray(network(noise(3))) for network in alone)
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(both(noise(3)), (first + second) / 2, rtol=1e-5)
    curve = pd.read_csv(paths.curve)
    assert curve["member"].tolist() == [1, 1, 2, 2]
    assert curve["epoch"].tolist() == [1, 2, 3, 4]
    for seed in (1, 2):
        own = pd.read_csv(tmp_path / f"{seed}" / f"{head}.csv")
        np.testing.assert_array_equal(own["val_loss"], curve["val_loss"][curve["member"] == seed])
    report = json.loads(paths.report.read_text())
    assert report["parameters"] == sum(network.count_params() for network in alone)
    assert len(report["best_epochs"]) == 2
    report_training(head, paths.prepared, paths.curve, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_refitted_biases_move_the_answers_towards_the_validation_faces_and_nothing_else(tmp_path: Path) -> None:
    plain, refitted = (prepared(tmp_path / name, "emotion") for name in ("plain", "refitted"))
    settings = training("emotion", epochs=2)
    assert isinstance(settings, TrainEmotion)
    loss = settings.loss.model_copy(update={"refit_biases": True})
    networks = [
        load_network(fit("emotion", settings, plain)),
        load_network(fit("emotion", settings.model_copy(update={"loss": loss}), refitted)),
    ]
    (*trunk, biases), (*same_trunk, refitted_biases) = (network.get_weights() for network in networks)
    for before, after in zip(trunk, same_trunk, strict=True):
        np.testing.assert_array_equal(before, after)
    validation = load_part(refitted.prepared / "validation.npz")
    own = (np.arange(len(validation)), validation.targets)
    before, after = (np.asarray(network(validation.images)) for network in networks)
    added = fit_biases(validation.targets, before)
    np.testing.assert_allclose(refitted_biases - biases, added, atol=1e-2)
    tempered = [with_temperature(each, fit_temperature(validation.targets, each)) for each in (before, after)]
    assert np.log(tempered[1][own]).mean() > np.log(tempered[0][own]).mean()


def test_a_network_answers_with_the_answers_only(tmp_path: Path) -> None:
    paths = prepared(tmp_path, "emotion")
    for name in ("train", "augmented", "validation"):
        faces = load_part(paths.prepared / f"{name}.npz")
        save_part(paths.prepared / f"{name}.npz", replace(faces, answers=faces.classes[[3, 1]]))
    network = load_network(fit("emotion", training("emotion", epochs=1).model_copy(update={"members": 2}), paths))
    probabilities = np.asarray(network(noise(4)))
    assert probabilities.shape == (4, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_copies_are_trained_on_and_each_epoch_is_judged_on_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict = {}

    def instead(network, batches, validation, **options):
        given.update(images=batches(range(1))[0][0], validation=validation, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.training.fit.fit_network", instead)
    paths = prepared(tmp_path, "emotion")
    with pytest.raises(KeyboardInterrupt):
        fit("emotion", training("emotion", batch_size=100), paths)
    assert given["images"].shape == (12 + 6, SIZE, SIZE)
    np.testing.assert_array_equal(given["validation"][0], part("emotion", 7).images)
    np.testing.assert_array_equal(given["validation"][1], np.eye(CLASSES)[part("emotion", 7).targets])
    assert (given["metrics"], given["state"]) == (["accuracy"], None)
    assert given["descent"].epochs == EPOCHS


SCRIPT = """
import logging, sys, time
from pathlib import Path
from tasks import train
from tests.training.test_fit import Paths, fit
from tests.tiny import training

logging.basicConfig(level="INFO")
keep_state = train.keep_state

def keep_and_wait(path, identity, state):
    keep_state(path, identity, state)
    if len(state.epochs) == int(sys.argv[1]):
        time.sleep(7200)

train.keep_state = keep_and_wait
fit("keypoints", training("keypoints"), Paths(*map(Path, sys.argv[2:])))
"""


@contextmanager
def started(waits_after: int, paths: Paths) -> Iterator[subprocess.Popen[str]]:
    """A training in a process group of its own, which waits after so many epochs; the group is killed in the end."""
    command = [sys.executable, "-c", SCRIPT, str(waits_after), *map(str, paths)]
    output = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, text=True, start_new_session=True) as child:
        try:
            yield child
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    undisturbed, paths = prepared(tmp_path / "undisturbed", "keypoints"), prepared(tmp_path / "killed", "keypoints")
    with started(2, paths) as first:
        fit("keypoints", training("keypoints"), undisturbed)
        until = time.monotonic() + PATIENCE
        while len(epochs_in(paths.unfinished / "seed-1.npz")) < 2:
            assert first.poll() is None, first.communicate()
            assert time.monotonic() < until
            time.sleep(0.05)
    assert first.returncode == -signal.SIGKILL
    assert paths.unfinished.exists()
    assert not paths.model.exists()

    with started(0, paths) as second:
        said = "".join(second.communicate(timeout=PATIENCE))
    assert second.returncode == 0, said
    assert "keypoints: taking up a training that was cut off after epoch 2" in said
    assert "epoch 2/5" not in said
    assert "epoch 3/5" in said
    assert paths.model.read_bytes() == undisturbed.model.read_bytes()
    assert paths.curve.read_text() == undisturbed.curve.read_text()
    assert paths.report.read_text() == undisturbed.report.read_text()
    assert not paths.unfinished.exists()


def epochs_in(state: Path) -> list:
    if not state.exists():
        return []
    with state.open("rb") as handle, np.load(handle) as arrays:
        return json.loads(str(arrays["about"]))["epochs"]


@pytest.mark.parametrize("head", HEADS)
def test_a_training_that_diverges_names_the_remedy(head: str, tmp_path: Path) -> None:
    paths = prepared(tmp_path, head)
    with pytest.raises(InputError, match=rf"^{head}: training diverged in epoch \d; lower the learning_rate$"):
        fit(head, training(head, learning_rate=1e38, ema=0.0), paths)
    assert not paths.model.exists()
    assert not paths.curve.exists()


def test_what_is_left_of_another_training_is_not_taken_up(tmp_path: Path) -> None:
    paths = prepared(tmp_path, "emotion")
    paths.unfinished.mkdir()
    (paths.unfinished / "seed-1.npz").write_bytes(b"half a state")
    fit("emotion", training("emotion", epochs=1), paths)
    assert pd.read_csv(paths.curve)["epoch"].tolist() == [1]
    assert not paths.unfinished.exists()


@pytest.mark.parametrize("head", HEADS)
def test_distorted_faces_are_drawn(head: str, tmp_path: Path) -> None:
    picture = tmp_path / "distorted.png"
    draw_distorted(head, prepared(tmp_path, head).prepared, training(head), picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 5000


def test_more_halvings_than_a_face_bears_are_refused_before_any_work(tmp_path: Path) -> None:
    paths = prepared(tmp_path, "emotion")
    settings = training("emotion")
    network = settings.network.model_copy(update={"widths": (4,) * 5, "depths": (1,) * 5})
    with pytest.raises(
        InputError, match=rf"^{SIZE} px cannot be halved 5 times; give `widths` and `depths` fewer stages$"
    ):
        fit("emotion", settings.model_copy(update={"network": network}), paths)
    assert not paths.model.exists()
