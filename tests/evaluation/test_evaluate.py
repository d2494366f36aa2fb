"""The stage `evaluate` on small datasets: its outputs match the predictions, and leakage is reported."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tasks.evaluation.predict
import tasks.evaluation.robustness
from faces.common.geometry import mirror_points
from faces.common.schema import KEYPOINTS
from faces.evaluation.corruptions import CORRUPTIONS
from faces.evaluation.metrics import emotion_metrics, keypoint_metrics
from faces.models.calibration import apply_temperature, fit_temperature
from faces.models.tta import Inference
from params import Duplicates, EvaluateEmotion, EvaluateKeypoints, EvaluateModel
from tasks.common.dataset import FaceDataset, save_dataset
from tasks.evaluation.curves import write_curves
from tasks.evaluation.metrics import evaluate_emotion, evaluate_keypoints
from tasks.evaluation.predict import predict_split
from tasks.evaluation.predictions import Predictions, load_predictions, save_predictions
from tasks.evaluation.robustness import measure_robustness
from tasks.evaluation.slices import evaluate_slices
from tasks.plots.evaluation import draw_emotion, draw_keypoints
from tasks.plots.robustness import draw_corruptions, draw_robustness, draw_slices
from tests.conftest import ROOT
from tests.pictures import CLOSE, noisy, strangers

MODELS = ("keypoints", "emotion")
COUNT = 36
ALIKE = Duplicates(max_hamming_distance=CLOSE[0], min_correlation=CLOSE[1], max_component_fraction=0.5)
GENERATOR = np.random.default_rng(0)
LABELS = np.arange(COUNT) % 3
POINTS = GENERATOR.uniform(20, 70, (COUNT, 15, 2)).astype(np.float32)
POINTS[:, :2] = [[66, 40], [30, 40]]
POINTS[5, 4] = POINTS[7, 0] = np.nan
NO_TTA: dict[str, np.ndarray] = {
    "emotion": GENERATOR.dirichlet(np.ones(3), COUNT),
    "keypoints": np.nan_to_num(POINTS) + 1,
}
NO_TTA["keypoints"] += GENERATOR.normal(0, 2, POINTS.shape).astype(np.float32)
FLIPPED: dict[str, np.ndarray] = {
    "emotion": GENERATOR.dirichlet(np.ones(3), COUNT),
    "keypoints": np.nan_to_num(POINTS) - 1,
}
EMOTION = EvaluateEmotion(flip_tta=False, corruption_samples=None, pixel_baseline_rows=30)
POINT = EvaluateKeypoints(flip_tta=False, corruption_samples=None)
SETTINGS: dict[str, EvaluateModel] = {"emotion": EMOTION, "keypoints": POINT}


def dataset(model_name: str, seed: int, strategy: str) -> FaceDataset:
    images = strangers(COUNT, seed, 48 if model_name == "emotion" else 96)
    rows, subjects, kinds = np.arange(COUNT) + 100 * seed, np.full(COUNT, ""), np.full(COUNT, "original")
    classes = np.array(["anger", "sad", "happiness"] if model_name == "emotion" else [], "<U9")
    targets = LABELS if model_name == "emotion" else POINTS
    return FaceDataset(images, targets, rows, rows // 2, subjects, kinds, classes, classes, np.array(strategy))


def written(
    folder: Path,
    model_name: str,
    strategy: str = "group",
    planted: int = 0,
    flips: bool = False,
    temperature: float = 1.0,
) -> Path:
    """A folder of prepared splits and predictions; the first `planted` test images are copies of training images."""
    for seed, name in enumerate(("train", "validation", "test")):
        split = dataset(model_name, seed, strategy)
        if name == "test" and planted:
            split.images[: planted - 1] = noisy(dataset(model_name, 0, strategy).images[: planted - 1])
            split.rows[planted - 1] = dataset(model_name, 0, strategy).rows[0]  # a copy known only by its row
        save_dataset(folder / f"{name}.npz", split)
    no_tta, flipped = NO_TTA[model_name], FLIPPED[model_name]
    save_predictions(
        folder / "predictions.npz",
        Predictions(
            no_tta, flipped, np.array(flips), np.array(temperature), np.arange(COUNT) + 200, np.array("int8"), no_tta
        ),
    )
    (folder / "model").write_bytes(b"any")
    return folder


def evaluated(folder: Path, model_name: str) -> dict:
    predictions, model_path, metrics = folder / "predictions.npz", folder / "model", folder / "metrics.json"
    if model_name == "emotion":
        evaluate_emotion(folder, predictions, model_path, EMOTION, ALIKE, metrics, folder)
    else:
        evaluate_keypoints(folder, predictions, model_path, ALIKE, metrics, folder)
    return json.loads(metrics.read_text())


def metrics_of(model_name: str, predicted: np.ndarray, which: slice = slice(None)) -> dict[str, float]:
    if model_name == "emotion":
        return emotion_metrics(LABELS[which], predicted[which])
    return keypoint_metrics(POINTS[which], predicted[which])


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


# The metrics file.


@pytest.mark.parametrize("model_name", MODELS)
@pytest.mark.parametrize("flips", [False, True])
def test_headline_metrics_follow_the_setting_and_both_variants_are_written(
    tmp_path: Path, model_name: str, flips: bool
) -> None:
    found = evaluated(written(tmp_path, model_name, flips=flips), model_name)
    both = (NO_TTA[model_name] + FLIPPED[model_name]) / 2
    no_tta, flip_tta = metrics_of(model_name, NO_TTA[model_name]), metrics_of(model_name, both)
    for name, value in (flip_tta if flips else no_tta).items():
        assert found[name] == pytest.approx(value, rel=1e-5)
        assert found[f"no_tta_{name}"] == pytest.approx(no_tta[name], rel=1e-5)
        assert found[f"flip_tta_{name}"] == pytest.approx(flip_tta[name], rel=1e-5)
        assert found[f"flip_tta_delta_{name}"] == pytest.approx(flip_tta[name] - no_tta[name], rel=1e-4, abs=1e-6)
    assert found["flip_tta"] is flips
    table = read(tmp_path / "flip_tta.csv").set_index("metric")
    name = "accuracy" if model_name == "emotion" else "nme"
    assert table["flip_tta"][name] == pytest.approx(flip_tta[name], rel=1e-5)
    assert (table["low"] < table["difference"]).any()
    assert (table["low"] <= table["high"]).all()
    assert found["num_test_samples"] == COUNT
    assert found["num_test_groups"] == COUNT // 2


@pytest.mark.parametrize("model_name", MODELS)
def test_intervals_are_over_groups(tmp_path: Path, model_name: str) -> None:
    """Each group has two images with equal targets and predictions, so its intervals are wider than over images."""
    name = "accuracy" if model_name == "emotion" else "nme"
    folder, widths = written(tmp_path, model_name), {}
    for groups in ("twins", "single"):
        test = dataset(model_name, 2, "group")
        twin = np.arange(COUNT) // 2 * 2
        test = FaceDataset(
            **{**vars(test), "targets": test.targets[twin], "groups": twin if groups == "twins" else test.rows}
        )
        save_dataset(folder / "test.npz", test)
        predicted = NO_TTA[model_name][twin]
        save_predictions(
            folder / "predictions.npz",
            Predictions(predicted, predicted, np.array(False), np.array(1.0), test.rows, np.array("int8"), predicted),
        )
        found = evaluated(folder, model_name)
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
        widths[groups] = found[f"{name}_high"] - found[f"{name}_low"]
    assert 1.2 < widths["twins"] / widths["single"] < 1.7  # the square root of 2


@pytest.mark.parametrize("flips", [False, True])
def test_headline_metrics_are_calibrated_and_uncalibrated_ones_are_written(tmp_path: Path, flips: bool) -> None:
    found = evaluated(written(tmp_path, "emotion", flips=flips, temperature=2.0), "emotion")
    outputs = (NO_TTA["emotion"] + FLIPPED["emotion"]) / 2 if flips else NO_TTA["emotion"]
    before, after = emotion_metrics(LABELS, outputs), emotion_metrics(LABELS, apply_temperature(outputs, 2))
    for name in ("ece", "log_loss"):
        assert abs(before[name] - after[name]) > 0.01
        assert found[name] == pytest.approx(after[name])
        assert found[f"uncalibrated_{name}"] == pytest.approx(before[name])
    assert found["accuracy"] == pytest.approx(before["accuracy"])
    assert found["temperature"] == 2


def test_the_inputs_of_the_gate_are_written(tmp_path: Path) -> None:
    found = evaluated(written(tmp_path, "emotion"), "emotion")
    assert {"baseline_accuracy", "baseline_macro_f1", "baseline_pixel_logistic_accuracy", "aurc", "aurc_low"} <= set(
        found
    )
    assert found["classes"] == "anger, sad, happiness"
    # Classes are equally frequent; the first one is predicted and is correct for a third.
    assert found["baseline_accuracy"] == pytest.approx(1 / 3)
    classes = read(tmp_path / "classes.csv").set_index("class")
    assert classes["faces"].tolist() == [COUNT // 3] * 3
    predicted = NO_TTA["emotion"].argmax(axis=1)
    assert classes["recall"]["sad"] == pytest.approx((predicted[LABELS == 1] == 1).mean(), rel=1e-5)
    assert (classes["f1_low"] < classes["f1"]).all()


def test_the_error_of_each_keypoint_is_listed(tmp_path: Path) -> None:
    found = evaluated(written(tmp_path, "keypoints"), "keypoints")
    points = read(tmp_path / "per_keypoint_error.csv").set_index("point")
    errors = np.linalg.norm(NO_TTA["keypoints"] - POINTS, axis=2)
    np.testing.assert_allclose(points["value"], np.nanmean(errors, axis=0), rtol=1e-5)
    assert points["faces"].to_dict() == {name: COUNT - (k in (0, 4)) for k, name in enumerate(KEYPOINTS)}
    mean = np.broadcast_to(np.nanmean(POINTS, axis=0), POINTS.shape)
    assert found["baseline_nme"] == pytest.approx(keypoint_metrics(POINTS, mean)["nme"], rel=1e-5)
    assert found["baseline_nme_low"] < found["baseline_nme"] < found["baseline_nme_high"]


# Duplicates of training images.


@pytest.mark.parametrize("model_name", MODELS)
def test_a_split_without_duplicates_is_reported(
    tmp_path: Path, model_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluated(written(tmp_path, model_name), model_name)
    assert found["num_test_samples_with_train_duplicates"] == 0
    name = "accuracy" if model_name == "emotion" else "nme"
    assert found[f"without_train_duplicates_{name}"] == found[name]
    assert f"with_train_duplicates_{name}" not in found
    output = " ".join(capsys.readouterr().out.split())
    assert "none of 36 evaluated faces has a copy or near-duplicate in the training split" in output
    assert "LEAKS" not in output


@pytest.mark.parametrize("model_name", MODELS)
def test_metrics_are_split_by_duplicates_where_a_split_leaks(
    tmp_path: Path, model_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluated(written(tmp_path, model_name, strategy="random", planted=12), model_name)
    assert found["num_test_samples_with_train_duplicates"] == 12
    for which, rows in (("with", slice(0, 12)), ("without", slice(12, None))):
        for name, value in metrics_of(model_name, NO_TTA[model_name], rows).items():
            assert found[f"{which}_train_duplicates_{name}"] == pytest.approx(value, rel=1e-5)
    assert read(tmp_path / "duplicates.csv")["faces"].tolist() == [COUNT, 12, COUNT - 12]
    assert (found["is_leaky"], found["strategy"]) == (True, "random")
    output = " ".join(capsys.readouterr().out.split())
    assert (
        "12 of 36 evaluated faces have a copy or near-duplicate in the training split [LEAKS: random split]" in output
    )


# Slices, figures and tables.


@pytest.mark.parametrize("model_name", MODELS)
def test_slices_have_the_metrics_of_their_images(tmp_path: Path, model_name: str) -> None:
    evaluate_slices(model_name, written(tmp_path, model_name), tmp_path / "predictions.npz", tmp_path)
    table = read(tmp_path / "slices.csv")
    assert table.groupby("property")["faces"].sum().to_dict() == {
        "brightness": COUNT,
        "sharpness": COUNT,
        "group size": COUNT,
    }
    light = dataset(model_name, 2, "group").images.mean(axis=(1, 2))
    dark = light <= np.quantile(light, 1 / 3)
    row = table[(table["property"] == "brightness") & (table["slice"] == "dark")].iloc[0]
    name = "accuracy" if model_name == "emotion" else "nme"
    targets = (LABELS if model_name == "emotion" else POINTS)[dark]
    metrics = (emotion_metrics if model_name == "emotion" else keypoint_metrics)(targets, NO_TTA[model_name][dark])
    assert row[name] == pytest.approx(metrics[name], rel=1e-5)
    assert row["max"] == pytest.approx(light[dark].max(), rel=1e-5)
    assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
    left = [column for column in map(str, table) if column.endswith(("_low", "_high"))]
    assert len(left) == (12 if model_name == "emotion" else 8)


def test_logged_tables_have_one_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[dict]] = []
    monkeypatch.setattr("tasks.evaluation.predictions.log_table", lambda key, rows, description: seen.append(rows))
    evaluate_slices("keypoints", written(tmp_path, "keypoints"), tmp_path / "predictions.npz", tmp_path)
    columns = ["property", "slice", "min", "max", "faces", "groups", "nme", "nme_low", "nme_high"]
    assert [list(row) for row in seen[0]] == [columns] * len(seen[0])


@pytest.mark.parametrize("model_name", MODELS)
def test_every_artifact_with_a_metric_has_the_leakage_warning_and_dvc_outputs_are_written(
    tmp_path: Path, model_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path, model_name, strategy="random")
    described: list[str] = []
    for module in ("metrics", "predictions"):
        monkeypatch.setattr(
            f"tasks.evaluation.{module}.log_table", lambda key, rows, description: described.append(description)
        )
    monkeypatch.setattr(
        "tasks.plots.figure_files.log_figure", lambda key, path, description: described.append(description)
    )
    monkeypatch.setattr(tasks.evaluation.robustness, "predictor", lambda path, size: Same(model_name).predict)
    run_all(folder, model_name)
    assert len(described) >= (14 if model_name == "emotion" else 13)
    assert all("[LEAKS: random split]" in description for description in described)
    named = set(re.findall(rf"reports/evaluate/{model_name}/([\w.]+)", (ROOT / "dvc.yaml").read_text()))
    assert named == ({"confusion.csv", "reliability.csv", "risk_coverage.csv"} if model_name == "emotion" else set())
    assert named <= {path.name for path in folder.iterdir()}
    assert not list(folder.glob("*.png"))
    figures = list((folder / "figures").iterdir())
    assert len(figures) == (8 if model_name == "emotion" else 7)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)


def test_curves_for_dvc_match_the_predictions(tmp_path: Path) -> None:
    folder = written(tmp_path, "emotion")
    write_curves(folder, folder / "predictions.npz", folder)
    risks = read(folder / "risk_coverage.csv")
    wrong = (NO_TTA["emotion"].argmax(axis=1) != LABELS).mean()
    assert risks["coverage"].iloc[-1] == 1
    assert risks["risk"].iloc[-1] == pytest.approx(wrong, rel=1e-5)
    bins = read(folder / "reliability.csv")
    assert bins["faces_before"].sum() == bins["faces_after"].sum() == COUNT
    assert (bins["accuracy_after"] * bins["faces_after"]).sum() == pytest.approx(COUNT * (1 - wrong), rel=1e-4)


def run_all(folder: Path, model_name: str) -> None:
    evaluated(folder, model_name)
    predictions, settings = folder / "predictions.npz", SETTINGS[model_name]
    evaluate_slices(model_name, folder, predictions, folder)
    measure_robustness(model_name, folder, predictions, folder / "model", settings, folder)
    figures, metrics = folder / "figures", folder / "metrics.json"
    if model_name == "emotion":
        write_curves(folder, predictions, folder)
        draw_emotion(folder, predictions, folder, metrics, 5, figures)
    else:
        draw_keypoints(folder, predictions, folder, 5, figures)
    draw_slices(model_name, folder, folder, metrics, figures)
    draw_robustness(model_name, folder, folder, figures)
    draw_corruptions(model_name, folder, figures)


# Predictions of simple models.


class Same:
    """Predicts the same for every image."""

    def __init__(self, model_name: str):
        self.model_name = model_name
        self.output = np.array([0.2, 0.5, 0.3]) if model_name == "emotion" else POINTS[0].astype(float)

    def predict(self, images: np.ndarray, **options: object) -> np.ndarray:
        return np.repeat(self.output[None], len(images), axis=0)


class Brightest(Same):
    """Predicts all points at the brightest column and row, which a flip moves, and a rotation too."""

    def predict(self, images: np.ndarray, **options: object) -> np.ndarray:
        brightest = np.stack([images.sum(axis=1).argmax(axis=1), images.sum(axis=2).argmax(axis=1)], axis=1)
        return np.repeat(brightest[:, None].astype(float), 15, axis=1)


class Left(Same):
    """Predicts the left half's fraction of the brightness as the probability of the first class."""

    def predict(self, images: np.ndarray, **options: object) -> np.ndarray:
        fraction = images[:, :, :24].sum(axis=(1, 2)) / images.sum(axis=(1, 2))
        return np.stack([fraction, 1 - fraction, 0 * fraction], axis=1)


def precisions(model: Same) -> Callable[[Path, int], Callable[[np.ndarray], np.ndarray]]:
    """A stub of `predictor`: the model in int8, and one that predicts the same for every image in float32."""
    runs = {"model.int8.onnx": model.predict, "model.float32.onnx": Same(model.model_name).predict}
    return lambda path, size: runs[path.name]


@pytest.mark.parametrize(("model_name", "model"), [("keypoints", Brightest), ("emotion", Left)])
@pytest.mark.parametrize("flips", [False, True])
def test_predictions_of_the_flipped_image_are_flipped_back(
    tmp_path: Path, model_name: str, model: Callable[[str], Same], flips: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.evaluation.predict, "predictor", precisions(model(model_name)))
    settings = SETTINGS[model_name].model_copy(update={"flip_tta": flips})
    found = load_predictions(
        predict_split(
            model_name,
            tmp_path / "model.keras",
            "int8",
            written(tmp_path, model_name),
            settings,
            tmp_path / "out.npz",
            tmp_path / "calibration.json",
        )
    )
    images = dataset(model_name, 2, "group").images
    no_tta, of_flipped = model(model_name).predict(images), model(model_name).predict(images[:, :, ::-1])
    back = mirror_points(of_flipped, 96) if model_name == "keypoints" else of_flipped
    np.testing.assert_array_equal(found.no_tta, no_tta)
    np.testing.assert_array_equal(found.flipped, back)
    np.testing.assert_allclose(found.uncalibrated, (no_tta + back) / 2 if flips else no_tta)
    if model_name == "keypoints":
        # The brightest column of the flipped image is the same one; of two equally bright ones, the other.
        np.testing.assert_allclose(found.flipped, no_tta, atol=1)
    else:
        np.testing.assert_allclose(found.flipped[:, 0], 1 - no_tta[:, 0])
    assert found.rows.tolist() == dataset(model_name, 2, "group").rows.tolist()
    assert bool(found.flip_tta) is flips


@pytest.mark.parametrize("flips", [False, True])
def test_the_temperature_is_fitted_on_validation_with_the_same_tta(
    tmp_path: Path, flips: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Left("emotion")
    monkeypatch.setattr(tasks.evaluation.predict, "predictor", precisions(model))
    settings, folder = EMOTION.model_copy(update={"flip_tta": flips}), written(tmp_path, "emotion")
    validation = dataset("emotion", 1, "group")
    validation.images[:, :, 24:] //= 3
    save_dataset(folder / "validation.npz", validation)
    out, calibration = tmp_path / "out.npz", tmp_path / "calibration.json"
    predict_split("emotion", tmp_path / "model.keras", "int8", folder, settings, out, calibration)
    found = load_predictions(out)
    no_tta, flipped = model.predict(validation.images), model.predict(validation.images[:, :, ::-1])
    outputs = (no_tta + flipped) / 2 if flips else no_tta
    assert found.temperature == fit_temperature(validation.targets, outputs)
    assert found.temperature != 1
    np.testing.assert_array_equal(found.predicted, apply_temperature(found.uncalibrated, float(found.temperature)))


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_the_other_precision_predicts_with_the_same_tta(
    tmp_path: Path, precision: str, flips: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Left("emotion")
    monkeypatch.setattr(tasks.evaluation.predict, "predictor", precisions(model))
    settings, folder = EMOTION.model_copy(update={"flip_tta": flips}), written(tmp_path, "emotion")
    out, calibration = tmp_path / "out.npz", tmp_path / "calibration.json"
    path = predict_split("emotion", tmp_path / "model.keras", precision, folder, settings, out, calibration)
    found, images = load_predictions(path), dataset("emotion", 2, "group").images
    no_tta, flipped = model.predict(images), model.predict(images[:, :, ::-1])
    outputs = {"int8": (no_tta + flipped) / 2 if flips else no_tta, "float32": Same("emotion").predict(images)}
    assert str(found.precision) == precision
    np.testing.assert_allclose(found.uncalibrated, outputs[precision])
    np.testing.assert_allclose(found.other_precision, outputs["float32" if precision == "int8" else "int8"])


@pytest.mark.parametrize("model_name", MODELS)
@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_int8_is_compared_with_float32_whatever_is_the_headline(
    tmp_path: Path, precision: str, model_name: str
) -> None:
    outputs = {"int8": NO_TTA[model_name], "float32": FLIPPED[model_name]}
    headline, other = outputs[precision], outputs["float32" if precision == "int8" else "int8"]
    folder = written(tmp_path, model_name)
    rows = np.arange(COUNT) + 200
    predictions = Predictions(headline, headline, np.array(False), np.array(1.0), rows, np.array(precision), other)
    save_predictions(folder / "predictions.npz", predictions)
    found, table = evaluated(folder, model_name), read(folder / "precision.csv").set_index("metric")
    int8, float32 = (metrics_of(model_name, outputs[each]) for each in ("int8", "float32"))
    assert found["precision"] == precision
    for name, expected in int8.items():
        both = {"int8": expected, "float32": float32[name], "int8_delta": expected - float32[name]}
        for key, value in both.items():
            assert found[f"{key}_{name}"] == pytest.approx(value, rel=1e-4, abs=1e-6)
            column = "difference" if key == "int8_delta" else key
            assert table[column][name] == pytest.approx(value, rel=1e-4, abs=1e-6)
    name = "accuracy" if model_name == "emotion" else "nme"
    low, high = found[f"int8_delta_{name}_low"], found[f"int8_delta_{name}_high"]
    assert low < found[f"int8_delta_{name}"] < high


def test_points_have_no_temperature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.evaluation.predict, "predictor", precisions(Brightest("keypoints")))
    folder, out, calibration = written(tmp_path, "keypoints"), tmp_path / "out.npz", tmp_path / "calibration.json"
    predict_split("keypoints", tmp_path / "model.keras", "int8", folder, POINT, out, calibration)
    assert load_predictions(out).inference == Inference(False, 1)
    assert not calibration.exists()


@pytest.mark.parametrize("model_name", MODELS)
def test_corruptions_are_applied_to_a_sample_and_compared_with_clean_images(
    tmp_path: Path, model_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.evaluation.robustness, "predictor", lambda path, size: Same(model_name).predict)
    settings = SETTINGS[model_name].model_copy(update={"corruption_samples": 20})
    folder = written(tmp_path, model_name)
    table = read(measure_robustness(model_name, folder, folder / "predictions.npz", folder / "model", settings, folder))
    assert table["faces"].tolist() == [20] * (1 + 3 * len(CORRUPTIONS))
    expected = [("clean", 0), *((one.name, step) for one in CORRUPTIONS for step in (1, 2, 3))]
    assert list(zip(table["corruption"], table["step"], strict=True)) == expected
    name = "accuracy" if model_name == "emotion" else "nme"
    # A constant model is affected only by corruptions that move the points.
    affected = table[(table[name] - table[name][0]).abs() > 1e-9]["corruption"].unique().tolist()
    assert affected == ([] if model_name == "emotion" else ["rotation", "closer"])


def test_robustness_uses_the_inference_settings_of_the_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.evaluation.robustness, "predictor", lambda path, size: Left("emotion").predict)
    found = {}
    for flips, temperature in ((False, 1.0), (True, 1.0), (False, 3.0)):
        folder = written(tmp_path, "emotion", flips=flips, temperature=temperature)
        tables = measure_robustness("emotion", folder, folder / "predictions.npz", folder / "model", EMOTION, folder)
        found[flips, temperature] = read(tables)
    assert found[False, 1]["log_loss"].nunique() > 10
    # A temperature lowers the confidence and changes no class.
    assert (found[False, 3]["log_loss"] != found[False, 1]["log_loss"]).all()
    assert found[False, 3]["accuracy"].equals(found[False, 1]["accuracy"])
    # The mean over image and flipped image is one half for each class, whatever the corruption.
    assert found[True, 1]["accuracy"].nunique() == 1
