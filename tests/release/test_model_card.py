"""The model card says what was measured, and what the networks are not for."""

import json
from pathlib import Path

import pytest

from tasks.release.model_card import METRICS, estimated, write_card
from tests.release.test_quality_gate import DATA, EMOTION, KEYPOINTS, figures, judged


def carded(
    folder: Path,
    classes: tuple[str, ...] = ("anger", "disgust"),
    taught: tuple[str, ...] = ("anger", "disgust"),
    **changed: object,
) -> str:
    verdict, heads = judged(folder)
    verdict.write_text(json.dumps(json.loads(verdict.read_text()) | {"classes": classes}))
    training, preparing = {}, {}
    for head, one in heads.items():
        found = figures(**{name: 0.5 for name in METRICS[head]}) | figures(**{**KEYPOINTS, **EMOTION})
        more = {"test_rows": 1234, "test_groups": 99, "uncalibrated_ece": 0.07, "temperature": 1.25}
        one.metrics.write_text(json.dumps(json.loads(one.metrics.read_text()) | found | more | changed))
        training[head], preparing[head] = folder / f"{head}-train.json", folder / f"{head}-prepare.json"
        costs = {"parameters": 1_604_693, "multiply_adds": 59_000_000, "best_epochs": [41, 44]}
        training[head].write_text(json.dumps(costs))
        rows = {"train": 17206, "validation": 1902, "test": 1234}
        leaks = {"images_in_two_parts": 0}
        shares = {"train": dict.fromkeys(taught, 0.3), "test": dict.fromkeys(classes, 0.5)} if head == "emotion" else {}
        content = {"protocol": "official", "rows": rows, "leaks": leaks, "class_shares": shares}
        preparing[head].write_text(json.dumps(content))
    card = write_card(verdict, heads, training, preparing, DATA, folder / "card.md")
    return card.read_text()


def test_what_was_measured_stands_in_the_card(tmp_path: Path) -> None:
    card = carded(tmp_path)
    assert "**passed**" in card
    assert "a probability for each of anger, disgust." in card
    for said in ("**Data:** drawn faces\n", "**Data:** other drawn faces\n"):
        assert said in card
    assert "| official | 17,206 | 1,902 | 1,234 | 0 |" in card
    assert "| accuracy | 0.800 (0.790 to 0.810) | 0.400 |" in card
    assert "| NME (mean error over eye distance) | 0.040 (0.030 to 0.050) | 0.200 |" in card
    assert "Calibration error 0.070 before and 0.030 after temperature scaling (1.250)." in card
    assert "| brightness: dark | " in card
    assert "| 1,604,693 | 59,000,000 | 41, 44 |" in card
    assert "On 1,234 test faces in 99 groups, never seen in training" in card
    assert carded(tmp_path) == card


def test_the_card_speaks_of_misuse_and_of_what_is_missing(tmp_path: Path) -> None:
    card = carded(tmp_path)
    for said in ("apparent", "Article 5(1)(f)", "Article 50(3)", "there is no neutral face among them"):
        assert said in card
    assert "there is no neutral face" not in carded(tmp_path, ("anger", "neutral"))


def test_classes_that_only_teach_are_named(tmp_path: Path) -> None:
    assert "taught too" not in carded(tmp_path)
    card = carded(tmp_path, taught=("anger", "fear", "disgust", "neutral"))
    assert "Faces of fear and neutral taught too; they are never an answer, and none is judged.\n" in card


def test_a_leaking_split_is_named(tmp_path: Path) -> None:
    assert "ON A SPLIT THAT LEAKS: no evidence" in carded(tmp_path, leaking=True)


@pytest.mark.parametrize(("low", "shown"), [(0.7, "0.800 (0.700 to 0.900)"), (float("nan"), "0.800")])
def test_an_interval_is_shown_where_there_is_one(low: float, shown: str) -> None:
    assert estimated({"f1": 0.8, "f1_low": low, "f1_high": 0.9}, "f1") == shown
