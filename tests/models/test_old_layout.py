"""Files of the earlier version are read in the current layout, by hand; every other file is rejected and kept."""

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import params
from tasks.common.files import InputError
from tasks.models import old_layout
from tasks.models.old_layout import is_old, upgrade_file, upgraded, upgraded_metrics
from tasks.release.model_sets import PUBLISHED
from tests.conftest import ROOT

DIGEST = "0" * 64
SCHEMAS: dict[str, type[params.TrainKeypoints] | type[params.TrainEmotion]] = {
    "keypoints": params.TrainKeypoints,
    "emotion": params.TrainEmotion,
}

OLD_RULES = [
    {"head": "keypoints", "rule": "NME", "value": 0.05, "low": 0.04, "high": 0.07}
    | {"bound": "at most", "threshold": 0.06, "outcome": "undecided"},
    {"head": "keypoints", "rule": "NME of the worst slice (dark)", "value": 0.06, "low": 0.05, "high": 0.07}
    | {"bound": "not surely over", "threshold": 0.09, "outcome": "passed"},
    {"head": "emotion", "rule": "accuracy of the worst slice (dark)", "value": 0.6, "low": 0.5, "high": 0.65}
    | {"bound": "not surely under", "threshold": 0.7, "outcome": "failed"},
]
NEW_CHECKS = [
    {"model": "keypoints", "check": "NME", "value": 0.05, "low": 0.04, "high": 0.07}
    | {"bound": "at most", "threshold": 0.06, "outcome": "inconclusive"},
    {"model": "keypoints", "check": "NME of the worst slice (dark)", "value": 0.06, "low": 0.05, "high": 0.07}
    | {"bound": "no slice above", "threshold": 0.09, "outcome": "passed"},
    {"model": "emotion", "check": "accuracy of the worst slice (dark)", "value": 0.6, "low": 0.5, "high": 0.65}
    | {"bound": "no slice below", "threshold": 0.7, "outcome": "failed"},
]

OLD_DESCENT = {
    "optimizer": "adamw",
    "epochs": 12,
    "batch_size": 32,
    "learning_rate": 0.001,
    "warmup": 0.1,
    "weight_decay": 0.05,
    "ema": 0.99,
    "patience": 6,
    "statistics_faces": 256,
}
NEW_TRAINING = {"epochs": 12, "batch_size": 32, "patience": 6, "bn_update_samples": 256}
NEW_OPTIMIZER = {
    "name": "adamw",
    "learning_rate": 0.001,
    "weight_decay": 0.05,
    "warmup_ratio": 0.1,
    "ema_decay": 0.99,
}
OLD_DISTORTION = {
    "mirror": 0.5,
    "rotation": 25.0,
    "shift": 0.1,
    "scale": [0.75, 1.3],
    "blur": 0.015,
    "brightness": 30.0,
    "contrast": [0.7, 1.3],
    "noise": 10.0,
    "erase": 0.25,
}
NEW_AUGMENTATION = {
    "horizontal_flip": 0.5,
    "degrees": 25.0,
    "translate": 0.1,
    "scale": [0.75, 1.3],
    "blur_sigma": 0.015,
    "brightness": 30.0,
    "contrast": [0.7, 1.3],
    "noise_std": 10.0,
    "random_erasing": 0.25,
}
SIZES = {"widths": [8, 16], "depths": [1, 2], "dropout": 0.1}

OLD_RECIPES: dict[str, dict[str, Any]] = {
    "keypoints": {
        "seed": 1,
        "members": 2,
        "network": {"kind": "resnet", **SIZES, "halvings": 1},
        "descent": OLD_DESCENT,
        "teacher": None,
        "loss": "squared",
        "distortion": OLD_DISTORTION,
    },
    "emotion": {
        "seed": 3,
        "members": 1,
        "network": {"kind": "resnet", **SIZES, "halvings": 0},
        "descent": OLD_DESCENT | {"optimizer": "adam", "warmup": 0.0, "weight_decay": 0.0},
        "teacher": {"file": "models/teacher/emotion.keras", "sha256": DIGEST, "classes": ["sad", "anger"]}
        | {"share": 0.9, "rounds": 4, "flip_averaging": True, "begin": False},
        "loss": {"smoothing": 0.1, "adjustment": 0.5, "refit_biases": True},
        "distortion": OLD_DISTORTION | {"mixup": 0.4, "cutmix": 1.0},
    },
}
NEW_RECIPES: dict[str, dict[str, Any]] = {
    "keypoints": {
        "seed": 1,
        "ensemble_size": 2,
        "architecture": {"name": "resnet", **SIZES, "stem_stride": 2},
        **NEW_TRAINING,
        "optimizer": NEW_OPTIMIZER,
        "distillation": None,
        "loss": "mse",
        "augmentation": NEW_AUGMENTATION,
    },
    "emotion": {
        "seed": 3,
        "ensemble_size": 1,
        "architecture": {"name": "resnet", **SIZES, "stem_stride": 1},
        **NEW_TRAINING,
        "optimizer": NEW_OPTIMIZER | {"name": "adam", "warmup_ratio": 0.0, "weight_decay": 0.0},
        "distillation": {"file": "models/teacher/emotion.keras", "sha256": DIGEST, "classes": ["sad", "anger"]}
        | {"teacher_weight": 0.9, "cached_epochs": 4, "flip_tta": True, "init_from_teacher": False},
        "loss": {"label_smoothing": 0.1, "logit_adjustment_tau": 0.5, "bias_correction": True},
        "augmentation": NEW_AUGMENTATION | {"mixup_alpha": 0.4, "cutmix_alpha": 1.0},
    },
}


def models_with(recipes: dict[str, dict[str, Any]], flip_tta: str, constants: str) -> dict[str, Any]:
    """The section `models` of a gate result; two of its keys depend on the layout."""
    return {
        model_name: {
            "path": f"models/trained/{model_name}.keras",
            "sha256": DIGEST,
            flip_tta: model_name == "emotion",
            "temperature": 0.7 if model_name == "emotion" else 1.0,
            "data": {"train.npz": "a", "test.npz": "b", constants: "c"},
            "recipe": recipe,
        }
        for model_name, recipe in recipes.items()
    }


REFERENCE = {"emotions": {"anger": 2, "sad": 3}, "quantiles": {"brightness": [1.0, 2.0]}}
OLD: dict[str, Any] = {
    "outcome": "undecided",
    "passed": False,
    "rules": OLD_RULES,
    "classes": ["sad", "anger"],
    "reference": REFERENCE,
    "models": models_with(OLD_RECIPES, flip_tta="flip_averaging", constants="normalisation.json"),
}
NEW: dict[str, Any] = {
    "outcome": "inconclusive",
    "passed": False,
    "checks": NEW_CHECKS,
    "classes": ["sad", "anger"],
    "reference": REFERENCE,
    "models": models_with(NEW_RECIPES, flip_tta="flip_tta", constants="normalization.json"),
}

OLD_METRICS = {
    "accuracy": 0.8,
    "failure_rate": 0.01,
    "failure_rate_low": 0.0,
    "baseline_error_curve_auc_high": 0.5,
    "test_rows_with_duplicates": 3,
    "with_duplicates_accuracy": 0.9,
    "without_duplicates_failure_rate": 0.02,
    "plain_accuracy": 0.7,
    "flip_averaged_accuracy": 0.8,
    "flip_gain_error_curve_auc": 0.1,
    "flip_averaging": True,
    "protocol": "official",
    "leaking": False,
    "test_rows": 30,
    "test_groups": 20,
    "model_sha256": DIGEST,
}
NEW_METRICS = {
    "accuracy": 0.8,
    "failure_rate_at_010": 0.01,
    "failure_rate_at_010_low": 0.0,
    "baseline_ced_auc_at_010_high": 0.5,
    "num_test_samples_with_train_duplicates": 3,
    "with_train_duplicates_accuracy": 0.9,
    "without_train_duplicates_failure_rate_at_010": 0.02,
    "no_tta_accuracy": 0.7,
    "flip_tta_accuracy": 0.8,
    "flip_tta_delta_ced_auc_at_010": 0.1,
    "flip_tta": True,
    "strategy": "predefined",
    "is_leaky": False,
    "num_test_samples": 30,
    "num_test_groups": 20,
    "model_sha256": DIGEST,
}


def test_gate_result_by_hand() -> None:
    before = deepcopy(OLD)
    found = upgraded(OLD)
    assert found == NEW
    # The order too, so that a difference of two files shows only new names.
    assert json.dumps(found) == json.dumps(NEW)
    assert before == OLD
    assert (is_old(OLD), is_old(NEW)) == (True, False)


def assert_is_training_of_today(model_name: str, recipe: dict[str, Any]) -> None:
    """Of an upgraded recipe, all but what is no setting of a training any more, is one with the same values.

    `loss.bias_correction` is a setting of `evaluate` now, and teachers are trained by the graph.
    """
    loss = recipe["loss"]
    kept = {name: loss[name] for name in loss if name != "bias_correction"} if isinstance(loss, dict) else loss
    training = {name: value for name, value in recipe.items() if name != "distillation"} | {"loss": kept}
    found = SCHEMAS[model_name].model_validate(training).model_dump(mode="json", exclude_unset=True)
    assert found == training


@pytest.mark.parametrize("model_name", SCHEMAS)
def test_upgraded_recipe_is_valid(model_name: str) -> None:
    assert_is_training_of_today(model_name, NEW_RECIPES[model_name])


@pytest.mark.parametrize("halvings", [0, 1, 2])
def test_halvings_become_the_stride_of_the_stem(halvings: int) -> None:
    old = deepcopy(OLD)
    old["models"]["keypoints"]["recipe"]["network"]["halvings"] = halvings
    architecture = upgraded(old)["models"]["keypoints"]["recipe"]["architecture"]
    assert architecture["stem_stride"] == [1, 2, 4][halvings]
    assert "halvings" not in architecture


def test_older_gate_results_lack_reference_data_and_recipes() -> None:
    old, new = deepcopy(OLD), deepcopy(NEW)
    for content in (old, new):
        del content["reference"]
        for model in content["models"].values():
            del model["data"], model["recipe"]
    assert upgraded(old) == new


@pytest.mark.parametrize("name", PUBLISHED)
def test_gate_results_of_the_released_model_sets_have_the_current_layout(name: str) -> None:
    content = json.loads((ROOT / "models" / name / "gate.json").read_text())
    assert not is_old(content)
    assert list(content) == list(NEW)
    assert {tuple(check) for check in content["checks"]} == {tuple(check) for check in NEW_CHECKS}
    assert content["models"].keys() == SCHEMAS.keys()
    for model_name, model in content["models"].items():
        # `faces export` adds the last three.
        assert list(model) == [*NEW["models"][model_name], "precision", "exports", "exported_from"]
        assert "normalization.json" in model["data"]
        assert_is_training_of_today(model_name, model["recipe"])


def test_metrics_by_hand() -> None:
    assert json.dumps(upgraded_metrics(OLD_METRICS)) == json.dumps(NEW_METRICS)


@pytest.mark.parametrize(
    ("protocol", "strategy"), [("grouped", "group"), ("official", "predefined"), ("random", "random")]
)
def test_protocol_becomes_the_strategy(protocol: str, strategy: str) -> None:
    assert upgraded_metrics(OLD_METRICS | {"protocol": protocol})["strategy"] == strategy


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("model_name", SCHEMAS)
def test_published_metrics_have_the_current_layout(name: str, model_name: str) -> None:
    """No name of the earlier version is left."""
    metrics = json.loads((ROOT / "docs" / name / f"{model_name}.json").read_text())
    assert {"strategy", "is_leaky", "num_test_samples", "flip_tta"} <= metrics.keys()
    assert {key for key in metrics if "plain" in key or "averaged" in key or "error_curve" in key} == set()
    assert {key for key in metrics if "failure_rate" in key and "failure_rate_at_010" not in key} == set()


def command(*paths: Path) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "tasks.models.old_layout", *map(str, paths)]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True)


def test_command_rewrites_a_gate_result_and_metrics(tmp_path: Path) -> None:
    verdict, metrics = tmp_path / "verdict.json", tmp_path / "emotion.json"
    verdict.write_text(json.dumps(OLD))
    metrics.write_text(json.dumps(OLD_METRICS))
    done = command(verdict, metrics)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote {tmp_path / 'gate.json'}\nwrote {metrics}\n"
    assert {path.name for path in tmp_path.iterdir()} == {"gate.json", "emotion.json"}
    assert (tmp_path / "gate.json").read_text() == json.dumps(NEW, indent=2) + "\n"
    assert metrics.read_text() == json.dumps(NEW_METRICS, indent=2) + "\n"
    # A second time, they are no files of the earlier version.
    again = command(metrics)
    assert again.returncode == 1
    assert again.stderr.startswith(f"{metrics}: neither a gate result nor a metrics file of the earlier version; ")


def without(content: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != key}


OTHER_FILES = {
    "empty": ("", "cannot be read as JSON"),
    "no JSON": ("outcome: passed", "cannot be read as JSON"),
    "cut in half": (json.dumps(OLD)[:1000], "cannot be read as JSON"),
    "a list": (json.dumps([OLD]), "neither a gate result nor a metrics file"),
    "current gate result": (json.dumps(NEW), "neither a gate result nor a metrics file"),
    "current metrics": (json.dumps(NEW_METRICS), "neither a gate result nor a metrics file"),
    "no models": (
        json.dumps(without(OLD, "models")),
        r"not a complete file of the earlier version \(KeyError\('models'",
    ),
    "no protocol": (json.dumps(without(OLD_METRICS, "protocol")), r"not a complete file .*'strategy'"),
    "rules of another kind": (json.dumps(OLD | {"rules": 3}), "not a complete file"),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_any_other_file_is_named_and_kept(tmp_path: Path, kind: str) -> None:
    text, message = OTHER_FILES[kind]
    path = tmp_path / "verdict.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"verdict.json: .*{message}.*; give a verdict.json or a metrics file"):
        upgrade_file(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == text


def test_command_shows_the_error_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "absent.json"
    done = command(path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{path}: cannot be read as JSON")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "content"), [("verdict.json", OLD), ("emotion.json", OLD_METRICS)])
def test_failed_write_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: dict[str, Any]
) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(content))
    real = Path.write_text

    def half(self: Path, text: str, *args: Any, **options: Any) -> int:
        real(self, text[: len(text) // 2], *args, **options)
        raise OSError("the disk failed")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", half)
        with pytest.raises(OSError, match="the disk failed"):
            old_layout.upgrade_file(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == json.dumps(content)
