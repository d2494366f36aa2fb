"""The model card has the metrics, and the limits of the models."""

import json
from pathlib import Path

import pytest

from tasks.release.model_card import METRICS, auxiliary_classes, format_interval, write_card
from tests.release.test_quality_gate import DATA, EMOTION, KEYPOINTS, evaluated_gate, figures


def card_of(
    folder: Path,
    classes: tuple[str, ...] = ("anger", "disgust"),
    train_classes: tuple[str, ...] = ("anger", "disgust"),
    **changed: object,
) -> str:
    gate_result, evaluations = evaluated_gate(folder)
    gate_result.write_text(json.dumps(json.loads(gate_result.read_text()) | {"classes": classes}))
    training, preparing = {}, {}
    for model_name, one in evaluations.items():
        metrics = figures(**{name: 0.5 for name in METRICS[model_name]}) | figures(**{**KEYPOINTS, **EMOTION})
        both = {f"{each}_{name}": 0.8 for each in ("int8", "float32") for name in ("accuracy", "nme")}
        more = both | {"num_test_samples": 1234, "num_test_groups": 99, "uncalibrated_ece": 0.07, "temperature": 1.25}
        one.metrics.write_text(json.dumps(json.loads(one.metrics.read_text()) | metrics | more | changed))
        training[model_name], preparing[model_name] = (
            folder / f"{model_name}-train.json",
            folder / f"{model_name}-prepare.json",
        )
        costs = {"parameters": 1_604_693, "macs": 59_000_000, "best_epochs": [41, 44]}
        training[model_name].write_text(json.dumps(costs))
        rows = {"train": 17206, "validation": 1902, "test": 1234}
        leakage = {"images_in_multiple_splits": 0}
        fractions = (
            {"train": dict.fromkeys(train_classes, 0.3), "test": dict.fromkeys(classes, 0.5)}
            if model_name == "emotion"
            else {}
        )
        content = {"strategy": "predefined", "rows": rows, "leakage": leakage, "class_fractions": fractions}
        preparing[model_name].write_text(json.dumps(content))
    card = write_card(gate_result, evaluations, training, preparing, DATA, folder / "card.md")
    return card.read_text()


def test_the_card_has_the_metrics(tmp_path: Path) -> None:
    card = card_of(tmp_path)
    assert "**passed**" in card
    assert "the other a probability for each of these\nemotions: anger, disgust." in card
    for line in ("**Data:** drawn faces\n", "**Data:** other drawn faces\n"):
        assert line in card
    assert "| predefined | 17,206 | 1,902 | 1,234 | 0 |" in card
    assert "| accuracy | 0.800 (0.790 to 0.810) | 0.400 |" in card
    assert "| NME (mean error over eye distance) | 0.040 (0.030 to 0.050) | 0.200 |" in card
    assert "ECE: 0.070 before and 0.030 after temperature scaling (1.250) and bias correction (+0.10, -0.10)." in card
    assert "| brightness: dark | " in card
    assert "| 1,604,693 | 59,000,000 | 41, 44 |" in card
    assert "Metrics on 1,234 test faces in 99 groups, not used in training, in int8, with flip TTA" in card
    assert "accuracy: 0.8000 in int8, 0.8000 in float32; difference +0.0000 (+0.0000 to +0.0000)." in card
    assert "| emotion.keras | 7 | 15 | 12 |" in card
    assert card_of(tmp_path) == card


def test_the_card_names_limits_and_the_missing_neutral_class(tmp_path: Path) -> None:
    card = card_of(tmp_path)
    for text in ("apparent", "Article 5(1)(f)", "Article 50(3)", "there is no neutral class"):
        assert text in card
    assert "there is no neutral class" not in card_of(tmp_path, ("anger", "neutral"))


def test_auxiliary_classes_are_named(tmp_path: Path) -> None:
    assert "Auxiliary" not in card_of(tmp_path)
    card = card_of(tmp_path, train_classes=("anger", "fear", "disgust", "neutral"))
    assert "Auxiliary training classes: fear and neutral. The test split has none of them." in card
    assert (
        "on 1,500 validation faces of all classes, which the epoch and the calibration were chosen on: "
        "accuracy 0.600 (0.500 to 0.700), macro-F1 0.600 (0.500 to 0.700)." in card
    )


def test_auxiliary_classes_that_the_model_has_no_outputs_for_are_named(tmp_path: Path) -> None:
    calibration, fractions = tmp_path / "calibration.json", {"train": {"anger": 1, "fear": 1}, "test": {"anger": 1}}
    calibration.write_text('{"output": {}}')
    found = auxiliary_classes({"class_fractions": fractions}, calibration)
    assert found == "Auxiliary training classes: fear. The model does not predict them and is not evaluated on them.\n"


def test_a_leaking_split_is_named(tmp_path: Path) -> None:
    assert "ON A SPLIT THAT LEAKS: no evidence" in card_of(tmp_path, is_leaky=True)


@pytest.mark.parametrize(("low", "shown"), [(0.7, "0.800 (0.700 to 0.900)"), (float("nan"), "0.800")])
def test_an_interval_is_shown_where_there_is_one(low: float, shown: str) -> None:
    assert format_interval({"f1": 0.8, "f1_low": low, "f1_high": 0.9}, "f1") == shown
