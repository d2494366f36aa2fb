"""Versions registered in the earlier layout: fetching, scoring, comparison, promotion over them and rollback."""

import json
import shutil
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import params
import tasks.release.champion_challenger
from faces.common.pixel_text import SIZES
from faces.common.schema import COORDINATES, LABEL_ENCODINGS
from faces.models.resnet import emotion_model, keypoints_model
from faces.models.spatial_softmax import SoftArgmax
from faces.models.tta import Inference
from flows.predictor import load
from flows.promote import promote, rollback
from flows.score import score
from params import Promote
from tasks.common.dataset import FaceDataset, load_dataset, save_dataset
from tasks.common.files import InputError, sha256
from tasks.evaluation.predictions import Predictions, save_predictions
from tasks.models.approved_models import ApprovedModels, load_approved_models, predict_functions
from tasks.models.exports import export_path
from tasks.models.keras_files import load_model, save_model
from tasks.models.onnx_files import export_float32
from tasks.release.champion_challenger import compare_with_champion
from tasks.release.promotion import version_of
from tasks.release.registry import MODEL_FILES, assign, fetch, in_production, register, versions
from tests.conftest import ROOT, commit, copy_project
from tests.models.test_old_layout import assert_is_training_of_today
from tests.tiny import MODELS

# DVC builds its graph in this process; the warning is of a library below it.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")

OLD = "v1.0.0"
CLASSES = list(LABEL_ENCODINGS["course"])
SPLITS = {"train": 12, "validation": 6, "test": 6}
SEEN = {"train": 5, "validation": 3}
"""Images of the earlier splits that today's test split has again."""
UNSEEN = 40
PROMOTE = Promote(max_accuracy_drop=0.005, max_recall_drop=0.02, max_nme_increase=0.001)

OLD_DVC_YAML = """\
artifacts:
  faces:
    path: models/trained
    type: model
stages:
  prepare:
    matrix: {head: [keypoints, emotion]}
    cmd: "true"
    outs: ["data/prepared/${item.head}"]
  train:
    matrix: {head: [keypoints, emotion]}
    cmd: "true"
    deps: ["data/prepared/${item.head}"]
    outs: ["models/trained/${item.head}.keras"]
  gate:
    cmd: "true"
    deps: [data/prepared/keypoints, data/prepared/emotion, models/trained/keypoints.keras, models/trained/emotion.keras]
    outs:
      - reports/verdict.json: {cache: false, persist: true}
"""
"""The stages whose outputs a version consists of, as they were; their commands are never run."""

OLD_RULES: list[dict[str, Any]] = [
    {"head": "keypoints", "rule": "NME of the worst slice (brightness: dark)", "bound": "not surely over"},
    {"head": "emotion", "rule": "accuracy of the worst slice (group size: 1)", "bound": "not surely under"},
]
OLD_RECIPE: dict[str, Any] = {
    "seed": 1,
    "members": 1,
    "network": {"kind": "resnet", "widths": [16, 24, 48], "depths": [1, 1, 1], "dropout": 0.0, "halvings": 1},
    "descent": {
        **{"optimizer": "adamw", "epochs": 12, "batch_size": 32, "learning_rate": 0.004, "warmup": 0.1},
        **{"weight_decay": 0.05, "ema": 0.97, "patience": 12, "statistics_faces": 512},
    },
    "teacher": None,
    "distortion": {
        **{"mirror": 0.5, "rotation": 15.0, "shift": 0.05, "scale": [0.9, 1.1], "blur": 0.01, "brightness": 30.0},
        **{"contrast": [0.7, 1.3], "noise": 6.0, "erase": 0.1},
    },
}
OLD_RECIPES: dict[str, dict[str, Any]] = {
    "keypoints": {"loss": "squared"},
    "emotion": {
        "loss": {"smoothing": 0.1, "adjustment": 0.5, "refit_biases": True},
        "distortion": {**OLD_RECIPE["distortion"], "mixup": 0.2, "cutmix": 1.0},
    },
}


def images(model_name: str, split: str, count: int) -> np.ndarray:
    """Random images (count, H, W), different for each split."""
    seed = (*SPLITS, "today").index(split)
    return np.random.default_rng(seed).integers(0, 256, (count, *2 * (SIZES[model_name],)), np.uint8)


def save_models(seed: int) -> None:
    """Write two small models with random weights to `models/trained`."""
    shape: dict[str, Any] = {"mean": 120.0, "std": 60.0, "widths": (2, 2), "depths": (1, 1), "dropout": 0.0}
    built = {
        "keypoints": keypoints_model(SIZES["keypoints"], **shape, stem_stride=4),
        "emotion": emotion_model(SIZES["emotion"], len(CLASSES), **shape, stem_stride=4),
    }
    generator = np.random.default_rng(seed)
    Path("models/trained").mkdir(parents=True, exist_ok=True)
    # The layer of earlier versions.
    scores = built["keypoints"].get_layer("score_maps").output
    points = SoftArgmax(SIZES["keypoints"] // scores.shape[1], dtype="float32", name="points")(scores)
    built["keypoints"] = keras.Model(built["keypoints"].input, points, name="keypoints")
    for model_name, model in built.items():
        weights = model.get_weights()
        # Kernels only: the variances of batch normalization must stay positive.
        model.set_weights([generator.normal(0, 1.5, one.shape) if one.ndim > 1 else one for one in weights])
        save_model(model, Path(f"models/trained/{model_name}.keras"))


def name_old_module(path: Path) -> None:
    """Rename the module of the layer SoftArgmax in a saved model's config, as saved in the earlier layout."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    today = members["config.json"]
    members["config.json"] = today.replace(b"faces.models.spatial_softmax", b"faces.networks.soft_argmax")
    assert members["config.json"] != today
    assert b'"class_name": "SoftArgmax"' in today
    assert b'"registered_name": "faces>SoftArgmax"' in today
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def write_old_splits(model_name: str) -> None:
    """Write `.npz` files with the earlier array names, and the other prepared files."""
    folder = Path("data/prepared", model_name)
    folder.mkdir(parents=True)
    classes = np.array(CLASSES if model_name == "emotion" else [], "<U9")
    for split, count in SPLITS.items():
        rows = np.arange(count)
        labels = np.zeros(count, np.int64) if model_name == "emotion" else np.zeros((count, 15, 2), np.float32)
        np.savez(
            folder / f"{split}.npz",
            images=images(model_name, split, count),
            targets=labels,
            rows=rows,
            groups=rows,
            persons=np.full(count, ""),
            kinds=np.full(count, "original"),
            classes=classes,
            answers=classes,
            protocol=np.array("grouped"),
        )
    (folder / "augmented.npz").write_bytes(b"augmented")
    (folder / "normalisation.json").write_text('{"mean": 120.0, "std": 60.0}\n')


def old_model(model_name: str) -> dict[str, Any]:
    """The entry of a model in a gate result of the earlier layout."""
    path, folder = Path(f"models/trained/{model_name}.keras"), Path("data/prepared", model_name)
    return {
        "path": str(path),
        "sha256": sha256(path),
        "flip_averaging": model_name == "emotion",
        "temperature": 1.5 if model_name == "emotion" else 1.0,
        "data": {one.name: sha256(one) for one in sorted(folder.iterdir())},
        "recipe": OLD_RECIPE | OLD_RECIPES[model_name],
    }


def write_old_gate_result() -> None:
    values = {"value": 0.5, "low": 0.4, "high": None, "threshold": 0.6, "outcome": "passed"}
    content = {
        "outcome": "passed",
        "passed": True,
        "rules": [rule | values for rule in OLD_RULES],
        "classes": CLASSES,
        "reference": {
            "emotions": {"anger": 3, "sad": 2},
            "quantiles": {"brightness": np.linspace(40, 220, 41).tolist()},
        },
        "models": {model_name: old_model(model_name) for model_name in MODELS},
    }
    Path("reports").mkdir()
    Path("reports/verdict.json").write_text(json.dumps(content, indent=2) + "\n")


def record() -> None:
    """Record all outputs in dvc.lock and in DVC's cache, as if the stages had run; missing ones are placeholders."""
    # Imported before GTO, it closes the files in which pytest captures the output.
    from dvc.repo import Repo

    with Repo() as repo:
        for out in repo.index.outs:
            path = Path(out.fs_path)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("placeholder\n")
    with Repo() as repo:
        repo.commit(force=True)


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True)


def register_old_version(project: Path) -> None:
    """Commit and register a version of the earlier layout, and assign it to production."""
    git("init", "-q")
    git("config", "user.name", "test")
    git("config", "user.email", "test@localhost")
    for name in (".gitignore", ".dvc/config", ".dvc/.gitignore"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_bytes((ROOT / name).read_bytes())
    Path("dvc.yaml").write_text(OLD_DVC_YAML)
    save_models(seed=1)
    name_old_module(Path("models/trained/keypoints.keras"))
    for model_name in MODELS:
        write_old_splits(model_name)
    write_old_gate_result()
    record()
    commit(project, "models of the earlier layout")
    assert register("HEAD") == OLD
    assign(OLD)


def write_challenger(champion: ApprovedModels) -> None:
    """Write other models, today's splits, predictions as good as the champion's, and a passing gate result."""
    save_models(seed=2)
    predict = predict_functions(champion)
    for model_name in MODELS:
        shown = [images(model_name, split, count)[: SEEN[split]] for split, count in SPLITS.items() if split in SEEN]
        test_images = np.concatenate([*shown, images(model_name, "today", UNSEEN)])
        outputs, rows = predict[model_name](test_images), np.arange(len(test_images))
        classes = np.array(CLASSES if model_name == "emotion" else [], "<U9")
        targets = outputs.argmax(axis=1) if model_name == "emotion" else outputs.astype(np.float32)
        if model_name == "keypoints":
            targets[:, :2] = [[66, 36], [30, 36]]
        none, kinds = np.full(len(rows), ""), np.full(len(rows), "original")
        Path("data/prepared", model_name).mkdir(parents=True)
        Path("data/predictions").mkdir(exist_ok=True)
        dataset = FaceDataset(test_images, targets, rows, rows, none, kinds, classes, classes, np.array("group"))
        save_dataset(Path(f"data/prepared/{model_name}/test.npz"), dataset)
        predictions = Predictions(outputs, outputs, np.array(False), np.array(1.0), rows, np.array("int8"), outputs)
        save_predictions(Path(f"data/predictions/{model_name}.npz"), predictions)
    paths = {model_name: Path(f"models/trained/{model_name}.keras") for model_name in MODELS}
    models = {
        model_name: {
            **{"path": str(path), "sha256": sha256(path), "flip_tta": False, "temperature": 1.0},
            **{"precision": "float32", "exports": {"float32": sha256(exported(path))}},
        }
        for model_name, path in paths.items()
    }
    Path("reports/gate.json").write_text(
        json.dumps({"outcome": "passed", "passed": True, "checks": [], "classes": CLASSES, "models": models})
    )


def exported(path: Path) -> Path:
    """The float32 export of a model file, made beside it."""
    out = export_path(path, "float32")
    export_float32(load_model(path), out)
    return out


def fetched(wanted: str = OLD) -> ApprovedModels:
    """The models of a version, fetched and checked."""
    gate_result = fetch(wanted)
    return load_approved_models(gate_result, gate_result.parent / MODEL_FILES)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Today's code, a version of the earlier layout in production, and a challenger recorded by DVC."""
    project = tmp_path_factory.mktemp("old") / "project"
    project.mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(project)
        register_old_version(project)
        for name in ("data", "models", "reports"):
            shutil.rmtree(name)
        Path("dvc.lock").unlink()
        copy_project(project)
        Path("reports").mkdir()
        write_challenger(fetched())
        record()
        commit(project, "today's layout")
    return project


@pytest.fixture(autouse=True)
def in_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def test_the_gate_result_is_upgraded_and_the_models_load() -> None:
    approved = fetched()
    assert approved.inference == {"keypoints": Inference(False, 1.0), "emotion": Inference(True, 1.5)}
    assert approved.classes == CLASSES
    assert approved.reference is not None
    assert approved.reference.emotions == {"anger": 3, "sad": 2}
    content = json.loads(fetch(OLD).read_text())
    assert [(check["model"], check["bound"]) for check in content["checks"]] == [
        ("keypoints", "no slice above"),
        ("emotion", "no slice below"),
    ]
    assert "normalization.json" in content["models"]["emotion"]["data"]
    keypoints, emotion = (content["models"][model_name]["recipe"] for model_name in ("keypoints", "emotion"))
    assert_is_training_of_today("keypoints", keypoints)
    assert_is_training_of_today("emotion", emotion)
    architecture, augmentation = keypoints["architecture"], keypoints["augmentation"]
    assert (keypoints["loss"], architecture["stem_stride"], augmentation["degrees"]) == ("mse", 2, 15.0)
    assert (emotion["loss"]["logit_adjustment_tau"], emotion["augmentation"]["mixup_alpha"]) == (0.5, 0.2)
    model_path = fetch(OLD).parent / MODEL_FILES / "keypoints.keras"
    assert load_model(model_path).get_layer("points").stride == 4
    assert approved.hashes["keypoints"] == sha256(model_path)


def test_an_image_is_scored() -> None:
    image = images("keypoints", "today", 1)[0]
    Image.fromarray(image).save("face.png")
    score(params.load(), ["face.png"], OLD, Path("scored"), mode="whole")
    (row,) = pd.read_parquet("scored/predictions.parquet").to_dict("records")
    assert row["model_version"] == OLD
    points = predict_functions(fetched())["keypoints"](image[None])[0]
    np.testing.assert_allclose([row[name] for name in COORDINATES], points.ravel(), atol=0.02)
    assert row["emotion"] in CLASSES


def test_it_predicts_from_python_in_another_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = predict_functions(fetched())["keypoints"]
    monkeypatch.chdir(tmp_path)
    faces = images("keypoints", "today", 3)
    table = load(OLD, root=project).predict(faces)
    assert table["model_version"].tolist() == [OLD] * 3
    points = expected(faces).reshape(3, -1)
    np.testing.assert_allclose(table[list(COORDINATES)].to_numpy(), points, atol=0.02)
    assert list(tmp_path.iterdir()) == []


def test_a_challenger_is_compared_on_images_that_the_champion_did_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    monkeypatch.setattr(tasks.release.champion_challenger, "log", messages.append)
    champion, challenger = fetched(), load_approved_models(Path("reports/gate.json"))
    compare_with_champion(champion, OLD, PROMOTE, challenger)
    total = UNSEEN + sum(SEEN.values())
    assert messages == [f"{name}: {OLD} did not see {UNSEEN} of {total} test faces in training" for name in MODELS]

    path = Path("data/predictions/emotion.npz")
    equal = path.read_bytes()
    wrong = np.roll(np.eye(len(CLASSES))[load_dataset(Path("data/prepared/emotion/test.npz")).targets], 1, axis=1)
    save_predictions(
        path, Predictions(wrong, wrong, np.array(False), np.array(1.0), np.arange(total), np.array("int8"), wrong)
    )
    with pytest.raises(InputError, match=r"worse than v1.0.0(.|\n)*emotion: accuracy 0.0000 instead of 1.0000"):
        compare_with_champion(champion, OLD, PROMOTE, challenger)
    path.write_bytes(equal)


def test_the_same_models_gated_again_are_the_same_version(tmp_path: Path) -> None:
    content, path = json.loads(fetch(OLD).read_text()), tmp_path / "gate.json"
    content["models"]["emotion"] |= {"class_indices": list(range(len(content["classes"]))), "biases": []}
    path.write_text(json.dumps(content))
    assert version_of(path) == OLD
    content["models"]["emotion"]["biases"] = [0.1] * len(content["classes"])
    path.write_text(json.dumps(content))
    assert version_of(path) is None


def test_a_new_version_is_promoted_over_it_and_rolled_back_to_it() -> None:
    assert version_of(fetch(OLD)) == OLD
    assert version_of(Path("reports/gate.json")) is None
    promote(params.load())
    assert (versions(), in_production()) == (["v1.1.0", OLD], "v1.1.0")
    assert fetched("prod").paths["emotion"].parent.parent.name == "v1.1.0"
    # GTO orders assignments by the dates of their tags, which are whole seconds.
    time.sleep(1.1)
    rollback(params.load(), "previous")
    assert in_production() == OLD
    assert fetched("prod") == fetched(OLD)
