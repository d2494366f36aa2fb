"""The gate's rules from both sides of their bounds, and from between: what too few faces cannot decide is no pass."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from faces.plots.quality_gate import COLOURS, verdict_figure
from faces.release.quality_gate import (
    UNKNOWN,
    Ends,
    Rule,
    at_least,
    at_most,
    emotion_rules,
    ends_of,
    keypoint_rules,
    none_surely_over,
    none_surely_under,
    outcome_of,
)
from faces.scoring.drift import Reference
from params import Gate, GateData, GateEmotion, GateKeypoints
from tasks.common.files import InputError, sha256
from tasks.models.approved_models import judged_networks
from tasks.release.quality_gate import PARTS, Evaluated, judge_heads, report_verdict, require_pass

NAN = float("nan")


@pytest.mark.parametrize(
    ("ends", "most", "least"),
    [
        ((0.4, 0.3, 0.45), "passed", "failed"),
        ((0.4, 0.3, 0.5), "passed", "failed"),
        ((0.4, 0.3, 0.51), "undecided", "failed"),
        ((0.5, 0.5, 0.5), "passed", "passed"),
        ((0.5, 0.4, 0.6), "undecided", "undecided"),
        ((0.6, 0.49, 0.7), "failed", "undecided"),
        ((0.6, 0.5, 0.7), "failed", "passed"),
        ((0.4, NAN, NAN), "undecided", "failed"),
        ((0.6, NAN, NAN), "failed", "undecided"),
        (UNKNOWN, "undecided", "undecided"),
    ],
)
def test_a_rule_is_decided_by_the_whole_interval(ends: tuple, most: str, least: str) -> None:
    upper, lower = at_most("keypoints", "NME", Ends(*ends), 0.5), at_least("emotion", "accuracy", Ends(*ends), 0.5)
    assert (upper.outcome, lower.outcome) == (most, least)
    assert (upper.head, upper.rule, upper.bound, upper.threshold) == ("keypoints", "NME", "at most", 0.5)
    assert (lower.head, lower.rule, lower.bound, lower.threshold) == ("emotion", "accuracy", "at least", 0.5)
    np.testing.assert_equal(upper[2:5], ends)


def test_a_part_fails_only_where_it_is_surely_worse() -> None:
    parts = {"dark": Ends(0.12, 0.08, 0.2), "soft": Ends(0.11, 0.09, 0.13), "crowded": Ends(0.5, NAN, NAN)}
    for threshold, outcome in ((0.1, "passed"), (0.09, "passed"), (0.085, "failed")):
        rule = none_surely_over("keypoints", "worst", parts, threshold)
        assert (rule.outcome, rule.rule, rule.value) == (outcome, "worst (soft)", 0.11)
    for threshold, outcome in ((0.1, "passed"), (0.13, "passed"), (0.14, "failed")):
        rule = none_surely_under("emotion", "worst", parts, threshold)
        assert (rule.outcome, rule.rule) == (outcome, "worst (soft)")
        assert rule[2:5] == (0.11, 0.09, 0.13)
        assert rule.threshold == threshold
    for function in (none_surely_over, none_surely_under):
        rule = function("emotion", "worst", {"crowded": parts["crowded"]}, 0.1)
        assert (rule.outcome, rule.rule) == ("undecided", "worst")
        assert np.isnan(rule[2:5]).all()


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        (["passed", "passed"], "passed"),
        (["passed", "undecided"], "undecided"),
        (["undecided", "failed", "passed"], "failed"),
    ],
)
def test_the_worst_outcome_is_that_of_all(outcomes: list[str], together: str) -> None:
    assert outcome_of([Rule("emotion", "a rule", 1, 1, 1, "at least", 0, outcome) for outcome in outcomes]) == together


def around(value: float, off: float = 0.01) -> Ends:
    return Ends(value, value - off, value + off)


def figures(**metrics: float) -> dict[str, Any]:
    flat = {
        f"{name}{end}": part
        for name, value in metrics.items()
        for end, part in zip(("", "_low", "_high"), around(value), strict=True)
    }
    return flat | {"leaking": False}


KEYPOINTS: dict[str, float] = {"nme": 0.04, "rmse_px": 1.2, "failure_rate": 0.02, "baseline_nme": 0.2}
KEYPOINT_BOUNDS: dict[str, float] = {
    "max_nme": 0.06,
    "max_rmse_px": 1.5,
    "max_failure_rate": 0.1,
    "max_share_of_baseline": 0.5,
    "max_slice_nme": 0.08,
}


@pytest.mark.parametrize(
    ("changed", "slice_nme", "not_passed"),
    [
        ({}, 0.05, {}),
        ({"nme": 0.055}, 0.05, {"NME": "undecided"}),
        ({"nme": 0.07}, 0.05, {"NME": "failed"}),
        ({"nme": 0.045, "baseline_nme": 0.08}, 0.05, {"NME as a share of the mean face's": "failed"}),
        ({"rmse_px": 1.6}, 0.05, {"RMSE, px": "failed"}),
        ({"failure_rate": 0.095}, 0.05, {"share of faces over 10% NME": "undecided"}),
        ({}, 0.2, {"NME of the worst slice (brightness: dark)": "failed"}),
        ({}, 0.085, {}),
    ],
)
def test_keypoint_rules(changed: dict, slice_nme: float, not_passed: dict[str, str]) -> None:
    slices = {"brightness: dark": around(slice_nme), "brightness: bright": around(0.02)}
    rules = keypoint_rules(figures(**KEYPOINTS | changed), slices, **KEYPOINT_BOUNDS)
    assert {rule.rule: rule.outcome for rule in rules if rule.outcome != "passed"} == not_passed
    assert {rule.head for rule in rules} == {"keypoints"}
    metrics = KEYPOINTS | changed
    assert rules[4].value == pytest.approx(metrics["nme"] / metrics["baseline_nme"])


EMOTION: dict[str, float] = {"accuracy": 0.8, "macro_f1": 0.7, "ece": 0.03, "baseline_accuracy": 0.4}
EMOTION_BOUNDS: dict[str, float] = {
    "min_accuracy": 0.75,
    "min_macro_f1": 0.65,
    "max_ece": 0.05,
    "min_share_of_gap": 0.5,
    "min_recall": 0.3,
    "min_slice_accuracy": 0.7,
}


@pytest.mark.parametrize(
    ("changed", "recall", "slice_accuracy", "not_passed"),
    [
        ({}, around(0.5), 0.75, {}),
        ({"accuracy": 0.755}, around(0.5), 0.75, {"accuracy": "undecided"}),
        ({"accuracy": 0.74}, around(0.5), 0.75, {"accuracy": "failed"}),
        ({"macro_f1": 0.6}, around(0.5), 0.75, {"macro F1": "failed"}),
        ({"ece": 0.045}, around(0.5), 0.75, {"calibration error (ECE)": "undecided"}),
        ({"baseline_accuracy": 0.7}, around(0.5), 0.75, {"share of the gap from majority class to 1": "failed"}),
        ({"baseline_accuracy": 1.0}, around(0.5), 0.75, {"share of the gap from majority class to 1": "undecided"}),
        ({}, around(0.2), 0.75, {"recall of the worst class (disgust)": "failed"}),
        ({}, around(0.4, 0.2), 0.75, {"recall of the worst class (disgust)": "undecided"}),
        ({}, UNKNOWN, 0.75, {"recall of the worst class (disgust)": "undecided"}),
        ({}, around(0.5), 0.6, {"accuracy of the worst slice (sharpness: soft)": "failed"}),
        ({}, around(0.5), 0.695, {}),
    ],
)
def test_emotion_rules(changed: dict, recall: Ends, slice_accuracy: float, not_passed: dict[str, str]) -> None:
    slices = {"sharpness: soft": around(slice_accuracy), "sharpness: sharp": around(0.9)}
    recalls = {"anger": around(0.7), "disgust": recall}
    rules = emotion_rules(figures(**EMOTION | changed), slices, recalls, **EMOTION_BOUNDS)
    assert {rule.rule: rule.outcome for rule in rules if rule.outcome != "passed"} == not_passed
    assert {rule.head for rule in rules} == {"emotion"}


def test_a_rare_class_does_not_hide_one_that_surely_fails() -> None:
    def rule_on(recalls: dict[str, Ends], **bounds: float) -> Rule | None:
        rules = emotion_rules(figures(**EMOTION), {}, recalls, **EMOTION_BOUNDS | bounds)
        return next((rule for rule in rules if "recall" in rule.rule), None)

    common, rare, unknown = around(0.28), Ends(0.6, 0.2, 0.9), Ends(1.0, NAN, NAN)
    failed = rule_on({"disgust": rare, "sad": common, "fear": unknown})
    assert failed is not None
    assert (failed.rule, failed.outcome) == ("recall of the worst class (sad)", "failed")
    undecided = rule_on({"disgust": rare, "fear": unknown, "happiness": around(0.9)})
    assert undecided is not None
    assert (undecided.rule, undecided.outcome) == ("recall of the worst class (fear)", "undecided")
    assert rule_on({"sad": common}, min_recall=0.0) is None


def test_metrics_on_a_split_that_leaks_fail_both_heads_however_good() -> None:
    for leaking in (False, True):
        rules = keypoint_rules(
            figures(**KEYPOINTS) | {"leaking": leaking}, {"all": around(0.05)}, **KEYPOINT_BOUNDS
        ) + emotion_rules(
            figures(**EMOTION) | {"leaking": leaking}, {"all": around(0.8)}, {"sad": around(0.8)}, **EMOTION_BOUNDS
        )
        failed = [rule.rule for rule in rules if rule.outcome != "passed"]
        assert failed == ["test faces known to leak (1 = yes)"] * 2 * leaking
    # Metrics of which nobody knows whether they leak are no evidence either.
    unknown = {name: value for name, value in figures(**KEYPOINTS).items() if name != "leaking"}
    with pytest.raises(KeyError, match="leaking"):
        keypoint_rules(unknown, {"all": around(0.05)}, **KEYPOINT_BOUNDS)


# On disk.


def row(name: str, metric: str, ends: Ends) -> dict[str, object]:
    where = {"class": name} if metric == "recall" else {"property": "brightness", "slice": name}
    return {**where, "faces": 12, metric: ends.value, f"{metric}_low": ends.low, f"{metric}_high": ends.high}


DATA = GateData(keypoints="drawn faces", emotion="other drawn faces")
REFERENCE = Reference({"anger": 3, "disgust": 2}, {"brightness": [1.5, 80.0, 250.0]})
SETTINGS = Gate(data=DATA, keypoints=GateKeypoints(**KEYPOINT_BOUNDS), emotion=GateEmotion(**EMOTION_BOUNDS))


def judged(folder: Path, other: bool = False, **emotion: float) -> tuple[Path, dict[str, Evaluated]]:
    """The verdict on two heads that `evaluate` is said to have judged so, and what it was given."""
    heads = {}
    for head, found in (("keypoints", figures(**KEYPOINTS)), ("emotion", figures(**EMOTION | emotion))):
        one = Evaluated(folder / f"{head}.json", folder / head, folder / f"{head}.keras", folder / head, {"seed": 1})
        one.prepared.mkdir(exist_ok=True)
        for name in PARTS:
            (one.prepared / name).write_bytes(f"{head} {name}".encode())
        one.model.write_bytes(head.encode())
        about = {"model_sha256": sha256(one.model), "flip_averaging": head == "emotion"}
        about |= {"classes": "anger, disgust", "temperature": 1.5} if head == "emotion" else {}
        one.metrics.write_text(json.dumps(found | about))
        heads[head] = one
    slices = {"keypoints": row("dark", "nme", around(0.05)), "emotion": row("dark", "accuracy", around(0.75))}
    for head, dark in slices.items():
        pd.DataFrame([dark]).to_csv(heads[head].reports / "slices.csv", index=False)
    recalls = [row("anger", "recall", around(0.7)), row("disgust", "recall", UNKNOWN if emotion else around(0.5))]
    pd.DataFrame(recalls).to_csv(heads["emotion"].reports / "classes.csv", index=False)
    (heads["emotion"].reports / "reference.json").write_text(json.dumps(REFERENCE._asdict()))
    if other:
        (folder / "emotion.keras").write_bytes(b"another network")
    return judge_heads(heads, SETTINGS, folder / "verdict.json"), heads


def test_a_verdict_pins_models_data_and_recipes(tmp_path: Path) -> None:
    verdict, _ = judged(tmp_path)
    content = json.loads(verdict.read_text())
    assert (content["outcome"], content["passed"], len(content["rules"])) == ("passed", True, 13)
    assert content["classes"] == ["anger", "disgust"]
    assert judged_networks(verdict).reference == REFERENCE
    assert '"brightness": [1.5, 80.0, 250.0]\n' in verdict.read_text()
    for head, model in content["models"].items():
        assert model["sha256"] == sha256(Path(model["path"]))
        assert model["data"] == {name: sha256(tmp_path / head / name) for name in PARTS}
        assert model["recipe"] == {"seed": 1}
    assert content["models"]["emotion"]["temperature"] == 1.5
    assert content["models"]["keypoints"]["temperature"] == 1.0
    again = verdict.read_bytes()
    assert judged(tmp_path)[0].read_bytes() == again
    assert require_pass(verdict) == verdict
    report_verdict(verdict, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


def test_a_verdict_that_is_no_pass_says_what_failed_and_what_is_undecided(tmp_path: Path) -> None:
    verdict, _ = judged(tmp_path, accuracy=0.755)
    assert json.loads(verdict.read_text())["outcome"] == "undecided"
    assert "NaN" not in verdict.read_text()
    with pytest.raises(InputError) as caught:
        require_pass(verdict)
    lines = str(caught.value).splitlines()
    few = "; too few test faces to decide"
    assert f"  emotion: accuracy is 0.755 (0.745 to 0.765), must be at least 0.75{few}" in lines
    assert f"  emotion: recall of the worst class (disgust) is unknown, must be at least 0.3{few}" in lines
    assert len(lines) == 3
    report_verdict(verdict, tmp_path / "verdict.png")
    with pytest.raises(InputError, match=r"(?m)emotion: macro F1 is 0.6 \(0.59 to 0.61\), must be at least 0.65$"):
        require_pass(judged(tmp_path, macro_f1=0.6)[0])


def test_metrics_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"emotion.json is about another network than .*emotion.keras; `dvc repro`"):
        judged(tmp_path, other=True)
    assert not (tmp_path / "verdict.json").exists()


def test_the_picture_shades_where_a_metric_must_not_lie() -> None:
    rules = [
        at_least("emotion", "accuracy", around(0.8), 0.75),
        at_most("keypoints", "NME", around(0.07), 0.06),
        at_least("emotion", "recall", UNKNOWN, 0.3),
    ]
    axes = verdict_figure(rules).axes
    shaded = [axis.patches[0].get_extents().transformed(axis.transData.inverted()) for axis in axes]
    assert (shaded[0].x1, shaded[1].x0, shaded[2].x1) == pytest.approx((0.75, 0.06, 0.3))
    assert [axis.texts[0].get_text() for axis in axes] == ["passed", "failed", "undecided"]
    assert [axis.texts[0].get_color() for axis in axes] == [COLOURS[rule.outcome] for rule in rules]
    assert [len(axis.lines) for axis in axes] == [3, 3, 1]


def test_ends_are_read_from_flat_figures() -> None:
    assert ends_of({"nme": 1, "nme_low": 0, "nme_high": 2, "other": 3}, "nme") == Ends(1, 0, 2)
