"""The gate's checks on both sides of their thresholds, and inconclusive ones, which are not a pass."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from faces.plots.quality_gate import COLOURS, gate_figure
from faces.release.quality_gate import (
    UNKNOWN,
    Check,
    Interval,
    at_least,
    at_most,
    emotion_checks,
    interval_of,
    keypoint_checks,
    no_slice_above,
    no_slice_below,
    outcome_of,
)
from faces.scoring.drift import Reference
from params import Gate, GateEmotion, GateKeypoints, GateLicense
from tasks.common.files import InputError, sha256
from tasks.models.approved_models import load_approved_models
from tasks.models.exports import PRECISIONS, export_path
from tasks.release.quality_gate import (
    ALL_CLASSES,
    PREPARED_FILES,
    EvaluationPaths,
    evaluate_gate,
    model_checks,
    report_gate,
    require_passed,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("interval", "most", "least"),
    [
        ((0.4, 0.3, 0.45), "passed", "failed"),
        ((0.4, 0.3, 0.5), "passed", "failed"),
        ((0.4, 0.3, 0.51), "inconclusive", "failed"),
        ((0.5, 0.5, 0.5), "passed", "passed"),
        ((0.5, 0.4, 0.6), "inconclusive", "inconclusive"),
        ((0.6, 0.49, 0.7), "failed", "inconclusive"),
        ((0.6, 0.5, 0.7), "failed", "passed"),
        ((0.4, NAN, NAN), "inconclusive", "failed"),
        ((0.6, NAN, NAN), "failed", "inconclusive"),
        (UNKNOWN, "inconclusive", "inconclusive"),
    ],
)
def test_a_check_is_decided_by_the_whole_interval(interval: tuple, most: str, least: str) -> None:
    upper, lower = (
        at_most("keypoints", "NME", Interval(*interval), 0.5),
        at_least("emotion", "accuracy", Interval(*interval), 0.5),
    )
    assert (upper.outcome, lower.outcome) == (most, least)
    assert (upper.model, upper.check, upper.bound, upper.threshold) == ("keypoints", "NME", "at most", 0.5)
    assert (lower.model, lower.check, lower.bound, lower.threshold) == ("emotion", "accuracy", "at least", 0.5)
    np.testing.assert_equal(upper[2:5], interval)


def test_a_slice_fails_only_if_its_whole_interval_is_worse() -> None:
    slices = {"dark": Interval(0.12, 0.08, 0.2), "soft": Interval(0.11, 0.09, 0.13), "crowded": Interval(0.5, NAN, NAN)}
    for threshold, outcome in ((0.1, "passed"), (0.09, "passed"), (0.085, "failed")):
        check = no_slice_above("keypoints", "worst", slices, threshold)
        assert (check.outcome, check.check, check.value) == (outcome, "worst (soft)", 0.11)
    for threshold, outcome in ((0.1, "passed"), (0.13, "passed"), (0.14, "failed")):
        check = no_slice_below("emotion", "worst", slices, threshold)
        assert (check.outcome, check.check) == (outcome, "worst (soft)")
        assert check[2:5] == (0.11, 0.09, 0.13)
        assert check.threshold == threshold
    for function in (no_slice_above, no_slice_below):
        check = function("emotion", "worst", {"crowded": slices["crowded"]}, 0.1)
        assert (check.outcome, check.check) == ("inconclusive", "worst")
        assert np.isnan(check[2:5]).all()


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        (["passed", "passed"], "passed"),
        (["passed", "inconclusive"], "inconclusive"),
        (["inconclusive", "failed", "passed"], "failed"),
    ],
)
def test_the_outcome_is_the_worst_of_all_checks(outcomes: list[str], together: str) -> None:
    assert (
        outcome_of([Check("emotion", "a check", 1, 1, 1, "at least", 0, outcome) for outcome in outcomes]) == together
    )


def around(value: float, margin: float = 0.01) -> Interval:
    return Interval(value, value - margin, value + margin)


def figures(**metrics: float) -> dict[str, Any]:
    flat = {
        f"{name}{end}": bound
        for name, value in metrics.items()
        for end, bound in zip(("", "_low", "_high"), around(value), strict=True)
    }
    no_difference = {f"int8_delta_{name}{end}": 0.0 for name in ("nme", "accuracy") for end in ("", "_low", "_high")}
    return flat | no_difference | {"is_leaky": False, "precision": "int8"}


def int8_delta(name: str, interval: Interval) -> dict[str, float]:
    return {f"int8_delta_{name}{end}": bound for end, bound in zip(("", "_low", "_high"), interval, strict=True)}


@pytest.mark.parametrize(
    ("worse", "outcome"),
    [
        (Interval(0.0, -0.01, 0.01), "passed"),
        (Interval(0.008, 0.0049, 0.01), "passed"),
        (Interval(0.008, 0.0051, 0.01), "failed"),
        (Interval(-0.02, -0.03, -0.01), "passed"),
        (Interval(0.001, NAN, NAN), "inconclusive"),
    ],
)
def test_int8_fails_only_if_the_whole_interval_of_its_difference_is_worse(worse: Interval, outcome: str) -> None:
    bounds = KEYPOINT_BOUNDS | {"max_int8_nme_increase": 0.005}
    metrics = figures(**KEYPOINTS) | int8_delta("nme", worse)
    *_, check = keypoint_checks(metrics, {"all": around(0.05)}, **bounds)
    assert (check.check, check.bound, check.outcome) == ("NME added by int8", "not wholly above", outcome)
    np.testing.assert_equal(check[2:5], worse)
    # The accuracy is worse if it is lower.
    better = Interval(-worse.value, -worse.high, -worse.low)
    metrics = figures(**EMOTION) | int8_delta("accuracy", better)
    *_, check = emotion_checks(metrics, {"all": around(0.8)}, {"sad": around(0.8)}, **EMOTION_BOUNDS)
    assert (check.check, check.threshold, check.outcome) == ("accuracy lost by int8", 0.005, outcome)
    np.testing.assert_equal(check[2:5], worse)


def test_a_float32_evaluation_has_no_check_of_int8() -> None:
    metrics = figures(**KEYPOINTS) | int8_delta("nme", around(1.0)) | {"precision": "float32"}
    checks = keypoint_checks(metrics, {"all": around(0.05)}, **KEYPOINT_BOUNDS)
    assert [check for check in checks if "int8" in check.check] == []


KEYPOINTS: dict[str, float] = {"nme": 0.04, "rmse_px": 1.2, "failure_rate_at_010": 0.02, "baseline_nme": 0.2}
KEYPOINT_BOUNDS: dict[str, float] = {
    "max_nme": 0.06,
    "max_rmse_px": 1.5,
    "max_failure_rate": 0.1,
    "max_nme_ratio": 0.5,
    "max_slice_nme": 0.08,
    "max_int8_nme_increase": 0.001,
}


@pytest.mark.parametrize(
    ("changed", "slice_nme", "not_passed"),
    [
        ({}, 0.05, {}),
        ({"nme": 0.055}, 0.05, {"NME": "inconclusive"}),
        ({"nme": 0.07}, 0.05, {"NME": "failed"}),
        ({"nme": 0.045, "baseline_nme": 0.08}, 0.05, {"NME over the mean face's NME": "failed"}),
        ({"rmse_px": 1.6}, 0.05, {"RMSE, px": "failed"}),
        ({"failure_rate_at_010": 0.095}, 0.05, {"fraction of faces over 10% NME": "inconclusive"}),
        ({}, 0.2, {"NME of the worst slice (brightness: dark)": "failed"}),
        ({}, 0.085, {}),
    ],
)
def test_keypoint_checks(changed: dict, slice_nme: float, not_passed: dict[str, str]) -> None:
    slices = {"brightness: dark": around(slice_nme), "brightness: bright": around(0.02)}
    checks = keypoint_checks(figures(**KEYPOINTS | changed), slices, **KEYPOINT_BOUNDS)
    assert {check.check: check.outcome for check in checks if check.outcome != "passed"} == not_passed
    assert {check.model for check in checks} == {"keypoints"}
    metrics = KEYPOINTS | changed
    assert checks[4].value == pytest.approx(metrics["nme"] / metrics["baseline_nme"])


EMOTION: dict[str, float] = {"accuracy": 0.8, "macro_f1": 0.7, "ece": 0.03, "baseline_accuracy": 0.4}
EMOTION_BOUNDS: dict[str, float] = {
    "min_accuracy": 0.75,
    "min_macro_f1": 0.65,
    "max_ece": 0.05,
    "min_skill_score": 0.5,
    "min_recall": 0.3,
    "min_slice_accuracy": 0.7,
    "max_int8_accuracy_drop": 0.005,
}


@pytest.mark.parametrize(
    ("changed", "recall", "slice_accuracy", "not_passed"),
    [
        ({}, around(0.5), 0.75, {}),
        ({"accuracy": 0.755}, around(0.5), 0.75, {"accuracy": "inconclusive"}),
        ({"accuracy": 0.74}, around(0.5), 0.75, {"accuracy": "failed"}),
        ({"macro_f1": 0.6}, around(0.5), 0.75, {"macro F1": "failed"}),
        ({"ece": 0.045}, around(0.5), 0.75, {"calibration error (ECE)": "inconclusive"}),
        ({"baseline_accuracy": 0.7}, around(0.5), 0.75, {"skill score against the majority class": "failed"}),
        ({"baseline_accuracy": 1.0}, around(0.5), 0.75, {"skill score against the majority class": "inconclusive"}),
        ({}, around(0.2), 0.75, {"recall of the worst class (disgust)": "failed"}),
        ({}, around(0.4, 0.2), 0.75, {"recall of the worst class (disgust)": "inconclusive"}),
        ({}, UNKNOWN, 0.75, {"recall of the worst class (disgust)": "inconclusive"}),
        ({}, around(0.5), 0.6, {"accuracy of the worst slice (sharpness: soft)": "failed"}),
        ({}, around(0.5), 0.695, {}),
    ],
)
def test_emotion_checks(changed: dict, recall: Interval, slice_accuracy: float, not_passed: dict[str, str]) -> None:
    slices = {"sharpness: soft": around(slice_accuracy), "sharpness: sharp": around(0.9)}
    recalls = {"anger": around(0.7), "disgust": recall}
    checks = emotion_checks(figures(**EMOTION | changed), slices, recalls, **EMOTION_BOUNDS)
    assert {check.check: check.outcome for check in checks if check.outcome != "passed"} == not_passed
    assert {check.model for check in checks} == {"emotion"}


def test_a_rare_class_does_not_hide_one_that_fails() -> None:
    def recall_check(recalls: dict[str, Interval], **bounds: float) -> Check | None:
        checks = emotion_checks(figures(**EMOTION), {}, recalls, **EMOTION_BOUNDS | bounds)
        return next((check for check in checks if "recall" in check.check), None)

    common, rare, unknown = around(0.28), Interval(0.6, 0.2, 0.9), Interval(1.0, NAN, NAN)
    failed = recall_check({"disgust": rare, "sad": common, "fear": unknown})
    assert failed is not None
    assert (failed.check, failed.outcome) == ("recall of the worst class (sad)", "failed")
    inconclusive = recall_check({"disgust": rare, "fear": unknown, "happiness": around(0.9)})
    assert inconclusive is not None
    assert (inconclusive.check, inconclusive.outcome) == ("recall of the worst class (fear)", "inconclusive")
    assert recall_check({"sad": common}, min_recall=0.0) is None


def test_metrics_on_a_split_that_leaks_fail_for_both_models() -> None:
    for is_leaky in (False, True):
        checks = keypoint_checks(
            figures(**KEYPOINTS) | {"is_leaky": is_leaky}, {"all": around(0.05)}, **KEYPOINT_BOUNDS
        ) + emotion_checks(
            figures(**EMOTION) | {"is_leaky": is_leaky}, {"all": around(0.8)}, {"sad": around(0.8)}, **EMOTION_BOUNDS
        )
        failed = [check.check for check in checks if check.outcome != "passed"]
        assert failed == ["test split known to leak (1 = yes)"] * 2 * is_leaky
    # Metrics without the key `is_leaky` are no evidence either.
    unknown = {name: value for name, value in figures(**KEYPOINTS).items() if name != "is_leaky"}
    with pytest.raises(KeyError, match="is_leaky"):
        keypoint_checks(unknown, {"all": around(0.05)}, **KEYPOINT_BOUNDS)


# Files.


def row(name: str, metric: str, interval: Interval) -> dict[str, object]:
    labels = {"class": name} if metric == "recall" else {"property": "brightness", "slice": name}
    return {
        **labels,
        "faces": 12,
        metric: interval.value,
        f"{metric}_low": interval.low,
        f"{metric}_high": interval.high,
    }


DATA = GateLicense(keypoints="drawn faces", emotion="other drawn faces")
REFERENCE = Reference({"anger": 3, "disgust": 2}, {"brightness": [1.5, 80.0, 250.0]})
SETTINGS = Gate(license=DATA, keypoints=GateKeypoints(**KEYPOINT_BOUNDS), emotion=GateEmotion(**EMOTION_BOUNDS))


CALIBRATION: dict[str, Any] = {
    "trained_classes": ["anger", "fear", "disgust"],
    "output": {"class_indices": [0, 2], "temperature": 1.5, "biases": [0.1, -0.1]},
    "all": {
        "classes": ["anger", "fear", "disgust"],
        "class_indices": [0, 1, 2],
        "temperature": 1.25,
        "biases": [0.0, 0.2, -0.2],
        "num_validation_samples": 1500,
        "validation": {
            f"{name}{end}": value
            for name in ("accuracy", "macro_f1", "ece")
            for end, value in (("", 0.6), ("_low", 0.5), ("_high", 0.7))
        },
        "reference": REFERENCE._asdict(),
    },
}


def evaluated_gate(folder: Path, other: str = "", **emotion: float) -> tuple[Path, dict[str, EvaluationPaths]]:
    """A gate result on two models with such metrics, and the paths of its inputs."""
    evaluations = {}
    for model_name, metrics in (("keypoints", figures(**KEYPOINTS)), ("emotion", figures(**EMOTION | emotion))):
        one = EvaluationPaths(
            folder / f"{model_name}.json",
            folder / model_name,
            folder / f"{model_name}.keras",
            folder / f"{model_name}-export.json",
            folder / model_name,
            {"seed": 1},
        )
        one.prepared.mkdir(exist_ok=True)
        for name in PREPARED_FILES:
            (one.prepared / name).write_bytes(f"{model_name} {name}".encode())
        one.model_path.write_bytes(model_name.encode())
        exports = {}
        for precision in PRECISIONS:
            export = export_path(one.model_path, precision)
            export.write_bytes(f"{model_name} {precision}".encode())
            exports[precision] = sha256(export)
        one.export.write_text(json.dumps({"model_sha256": sha256(one.model_path), "exports": exports}))
        about = {"export_sha256": exports["int8"], "precision": "int8", "flip_tta": model_name == "emotion"}
        about |= {"classes": "anger, disgust", "temperature": 1.5} if model_name == "emotion" else {}
        one.metrics.write_text(json.dumps(metrics | about))
        evaluations[model_name] = one
    slices = {"keypoints": row("dark", "nme", around(0.05)), "emotion": row("dark", "accuracy", around(0.75))}
    for model_name, dark in slices.items():
        pd.DataFrame([dark]).to_csv(evaluations[model_name].reports / "slices.csv", index=False)
    recalls = [row("anger", "recall", around(0.7)), row("disgust", "recall", UNKNOWN if emotion else around(0.5))]
    pd.DataFrame(recalls).to_csv(evaluations["emotion"].reports / "classes.csv", index=False)
    (evaluations["emotion"].reports / "reference.json").write_text(json.dumps(REFERENCE._asdict()))
    (evaluations["emotion"].reports / "calibration.json").write_text(json.dumps(CALIBRATION))
    if other:
        (folder / other).write_bytes(b"another model")
    return evaluate_gate(evaluations, SETTINGS, folder / "gate.json"), evaluations


def test_a_gate_result_has_hashes_of_models_and_data_and_the_recipes(tmp_path: Path) -> None:
    gate_result, evaluations = evaluated_gate(tmp_path)
    content = json.loads(gate_result.read_text())
    each = [
        model_checks(json.loads(evaluations[name].metrics.read_text()), evaluations[name].reports, thresholds)
        for name, thresholds in (("keypoints", SETTINGS.keypoints), ("emotion", SETTINGS.emotion))
    ]
    assert content["checks"] == [check._asdict() for checks in each for check in checks]
    assert (content["outcome"], content["passed"], len(content["checks"])) == ("passed", True, 15)
    assert content["classes"] == ["anger", "disgust"]
    assert load_approved_models(gate_result).reference == REFERENCE
    assert '"brightness": [1.5, 80.0, 250.0]\n' in gate_result.read_text()
    for model_name, model in content["models"].items():
        path = Path(model["path"])
        assert model["sha256"] == sha256(path)
        assert model["precision"] == "int8"
        assert model["exports"] == {precision: sha256(export_path(path, precision)) for precision in PRECISIONS}
        assert model["data"] == {name: sha256(tmp_path / model_name / name) for name in PREPARED_FILES}
        assert model["recipe"] == {"seed": 1}
    emotion = content["models"]["emotion"]
    assert {name: emotion[name] for name in CALIBRATION["output"]} == CALIBRATION["output"]
    assert emotion["trained_classes"] == CALIBRATION["trained_classes"]
    assert emotion["all_classes"] == {name: CALIBRATION["all"][name] for name in ALL_CLASSES}
    assert content["models"]["keypoints"]["temperature"] == 1.0
    again = gate_result.read_bytes()
    assert evaluated_gate(tmp_path)[0].read_bytes() == again
    assert require_passed(gate_result) == gate_result
    report_gate(gate_result)


def test_an_error_names_failed_and_inconclusive_checks(tmp_path: Path) -> None:
    gate_result, _ = evaluated_gate(tmp_path, accuracy=0.755)
    assert json.loads(gate_result.read_text())["outcome"] == "inconclusive"
    assert "NaN" not in gate_result.read_text()
    with pytest.raises(InputError) as caught:
        require_passed(gate_result)
    lines = str(caught.value).splitlines()
    too_few = "; too few test faces to decide"
    assert f"  emotion: accuracy is 0.755 (0.745 to 0.765), must be at least 0.75{too_few}" in lines
    assert f"  emotion: recall of the worst class (disgust) is unknown, must be at least 0.3{too_few}" in lines
    assert len(lines) == 3
    report_gate(gate_result)
    with pytest.raises(InputError, match=r"(?m)emotion: macro F1 is 0.6 \(0.59 to 0.61\), must be at least 0.65$"):
        require_passed(evaluated_gate(tmp_path, macro_f1=0.6)[0])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("emotion.keras", r"emotion-export.json: not the exports of .*emotion.keras; `dvc repro`"),
        ("emotion.int8.onnx", r"emotion.int8.onnx: not the file that .*emotion-export.json names; `dvc repro`"),
        ("emotion.float32.onnx", r"emotion.float32.onnx: not the file that .*emotion-export.json names; `dvc repro`"),
    ],
)
def test_another_model_than_the_evaluated_one_is_refused(other: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        evaluated_gate(tmp_path, other=other)
    assert not (tmp_path / "gate.json").exists()


def test_metrics_of_another_precision_are_refused(tmp_path: Path) -> None:
    _, evaluations = evaluated_gate(tmp_path)
    metrics = evaluations["emotion"].metrics
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"precision": "float32"}))
    with pytest.raises(InputError, match=r"emotion.json: not the metrics of .*emotion.float32.onnx; `dvc repro`"):
        evaluate_gate(evaluations, SETTINGS, tmp_path / "other.json")


def test_the_figure_shades_values_beyond_the_threshold() -> None:
    checks = [
        at_least("emotion", "accuracy", around(0.8), 0.75),
        at_most("keypoints", "NME", around(0.07), 0.06),
        at_least("emotion", "recall", UNKNOWN, 0.3),
    ]
    axes = gate_figure(checks).axes
    shaded = [axis.patches[0].get_extents().transformed(axis.transData.inverted()) for axis in axes]
    assert (shaded[0].x1, shaded[1].x0, shaded[2].x1) == pytest.approx((0.75, 0.06, 0.3))
    assert [axis.texts[0].get_text() for axis in axes] == ["passed", "failed", "inconclusive"]
    assert [axis.texts[0].get_color() for axis in axes] == [COLOURS[check.outcome] for check in checks]
    assert [len(axis.lines) for axis in axes] == [3, 3, 1]


def test_intervals_are_read_from_flat_metrics() -> None:
    assert interval_of({"nme": 1, "nme_low": 0, "nme_high": 2, "other": 3}, "nme") == Interval(1, 0, 2)
