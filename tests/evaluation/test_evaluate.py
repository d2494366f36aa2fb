"""The stage `evaluate` on small prepared faces: what it writes is what stands in the predictions, leaks are said."""

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
from faces.models.calibration import fit_temperature, with_temperature
from faces.models.tta import Inference
from params import Duplicates, EvaluateEmotion, EvaluateHead, EvaluateKeypoints
from tasks.common.dataset import Part, save_part
from tasks.evaluation.metrics import judge_emotion, judge_keypoints
from tasks.evaluation.predict import predict_test
from tasks.evaluation.predictions import Evaluated, load_evaluated, save_evaluated
from tasks.evaluation.robustness import draw_robustness, measure_robustness
from tasks.evaluation.slices import judge_slices
from tasks.plots.evaluation import draw_emotion, draw_keypoints
from tests.conftest import ROOT
from tests.pictures import CLOSE, noisy, strangers

HEADS = ("keypoints", "emotion")
COUNT = 36
ALIKE = Duplicates(max_distance=CLOSE[0], min_correlation=CLOSE[1], max_cluster=0.5)
GENERATOR = np.random.default_rng(0)
LABELS = np.arange(COUNT) % 3
POINTS = GENERATOR.uniform(20, 70, (COUNT, 15, 2)).astype(np.float32)
POINTS[:, :2] = [[66, 40], [30, 40]]
POINTS[5, 4] = POINTS[7, 0] = np.nan
PLAIN: dict[str, np.ndarray] = {
    "emotion": GENERATOR.dirichlet(np.ones(3), COUNT),
    "keypoints": np.nan_to_num(POINTS) + 1,
}
PLAIN["keypoints"] += GENERATOR.normal(0, 2, POINTS.shape).astype(np.float32)
MIRRORED: dict[str, np.ndarray] = {
    "emotion": GENERATOR.dirichlet(np.ones(3), COUNT),
    "keypoints": np.nan_to_num(POINTS) - 1,
}
EMOTION = EvaluateEmotion(faces_drawn=5, flip_averaging=False, robustness_faces=None, pixel_baseline_rows=30)
POINT = EvaluateKeypoints(faces_drawn=5, flip_averaging=False, robustness_faces=None)
SETTINGS: dict[str, EvaluateHead] = {"emotion": EMOTION, "keypoints": POINT}


def part(head: str, seed: int, protocol: str) -> Part:
    images = strangers(COUNT, seed, 48 if head == "emotion" else 96)
    rows, persons, kinds = np.arange(COUNT) + 100 * seed, np.full(COUNT, ""), np.full(COUNT, "original")
    classes = np.array(["anger", "sad", "happiness"] if head == "emotion" else [], "<U9")
    targets = LABELS if head == "emotion" else POINTS
    return Part(images, targets, rows, rows // 2, persons, kinds, classes, classes, np.array(protocol))


def written(
    folder: Path, head: str, protocol: str = "grouped", planted: int = 0, flips: bool = False, temperature: float = 1.0
) -> Path:
    """A folder of prepared parts and predictions; the first test faces are copies of training's."""
    for seed, name in enumerate(("train", "validation", "test")):
        faces = part(head, seed, protocol)
        if name == "test" and planted:
            faces.images[: planted - 1] = noisy(part(head, 0, protocol).images[: planted - 1])
            faces.rows[planted - 1] = part(head, 0, protocol).rows[0]  # a copy past recognition
        save_part(folder / f"{name}.npz", faces)
    plain, mirrored = PLAIN[head], MIRRORED[head]
    save_evaluated(
        folder / "predictions.npz",
        Evaluated(plain, mirrored, np.array(flips), np.array(temperature), np.arange(COUNT) + 200),
    )
    (folder / "model").write_bytes(b"any")
    return folder


def judged(folder: Path, head: str) -> dict:
    predictions, model, metrics = folder / "predictions.npz", folder / "model", folder / "metrics.json"
    if head == "emotion":
        judge_emotion(folder, predictions, model, EMOTION, ALIKE, metrics, folder)
    else:
        judge_keypoints(folder, predictions, model, ALIKE, metrics, folder)
    return json.loads(metrics.read_text())


def metrics_of(head: str, predicted: np.ndarray, which: slice = slice(None)) -> dict[str, float]:
    if head == "emotion":
        return emotion_metrics(LABELS[which], predicted[which])
    return keypoint_metrics(POINTS[which], predicted[which])


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


# The metrics file.


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("flips", [False, True])
def test_headline_figures_follow_the_setting_and_both_variants_stand_there(
    tmp_path: Path, head: str, flips: bool
) -> None:
    found = judged(written(tmp_path, head, flips=flips), head)
    both = (PLAIN[head] + MIRRORED[head]) / 2
    plain, averaged = metrics_of(head, PLAIN[head]), metrics_of(head, both)
    for name, value in (averaged if flips else plain).items():
        assert found[name] == pytest.approx(value, rel=1e-5)
        assert found[f"plain_{name}"] == pytest.approx(plain[name], rel=1e-5)
        assert found[f"flip_averaged_{name}"] == pytest.approx(averaged[name], rel=1e-5)
        assert found[f"flip_gain_{name}"] == pytest.approx(averaged[name] - plain[name], rel=1e-4, abs=1e-6)
    assert found["flip_averaging"] is flips
    table = read(tmp_path / "flip_averaging.csv").set_index("metric")
    name = "accuracy" if head == "emotion" else "nme"
    assert table["flip_averaged"][name] == pytest.approx(averaged[name], rel=1e-5)
    assert (table["low"] < table["difference"]).any()
    assert (table["low"] <= table["high"]).all()
    assert found["test_rows"] == COUNT
    assert found["test_groups"] == COUNT // 2


@pytest.mark.parametrize("head", HEADS)
def test_intervals_are_over_groups(tmp_path: Path, head: str) -> None:
    """Two faces a group, so an interval is wider than were they apart where they are alike: here, one and the same."""
    name = "accuracy" if head == "emotion" else "nme"
    folder, widths = written(tmp_path, head), {}
    for groups in ("twins", "single"):
        test = part(head, 2, "grouped")
        twin = np.arange(COUNT) // 2 * 2
        test = Part(**{**vars(test), "targets": test.targets[twin], "groups": twin if groups == "twins" else test.rows})
        save_part(folder / "test.npz", test)
        predicted = PLAIN[head][twin]
        save_evaluated(
            folder / "predictions.npz",
            Evaluated(predicted, predicted, np.array(False), np.array(1.0), test.rows),
        )
        found = judged(folder, head)
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
        widths[groups] = found[f"{name}_high"] - found[f"{name}_low"]
    assert 1.2 < widths["twins"] / widths["single"] < 1.7  # the root of 2


@pytest.mark.parametrize("flips", [False, True])
def test_headline_figures_are_tempered_and_stand_beside_untempered_ones(tmp_path: Path, flips: bool) -> None:
    found = judged(written(tmp_path, "emotion", flips=flips, temperature=2.0), "emotion")
    outputs = (PLAIN["emotion"] + MIRRORED["emotion"]) / 2 if flips else PLAIN["emotion"]
    before, after = emotion_metrics(LABELS, outputs), emotion_metrics(LABELS, with_temperature(outputs, 2))
    for name in ("ece", "log_loss"):
        assert abs(before[name] - after[name]) > 0.01
        assert found[name] == pytest.approx(after[name])
        assert found[f"uncalibrated_{name}"] == pytest.approx(before[name])
    assert found["accuracy"] == pytest.approx(before["accuracy"])
    assert found["temperature"] == 2


def test_what_the_gate_reads_stands_there(tmp_path: Path) -> None:
    found = judged(written(tmp_path, "emotion"), "emotion")
    assert {"baseline_accuracy", "baseline_macro_f1", "baseline_pixel_logistic_accuracy", "aurc", "aurc_low"} <= set(
        found
    )
    assert found["classes"] == "anger, sad, happiness"
    # Classes are equally frequent, the first one wins: it is right for a third.
    assert found["baseline_accuracy"] == pytest.approx(1 / 3)
    classes = read(tmp_path / "classes.csv").set_index("class")
    assert classes["faces"].tolist() == [COUNT // 3] * 3
    predicted = PLAIN["emotion"].argmax(axis=1)
    assert classes["recall"]["sad"] == pytest.approx((predicted[LABELS == 1] == 1).mean(), rel=1e-5)
    assert (classes["f1_low"] < classes["f1"]).all()


def test_each_point_s_error_is_listed(tmp_path: Path) -> None:
    found = judged(written(tmp_path, "keypoints"), "keypoints")
    points = read(tmp_path / "points.csv").set_index("point")
    errors = np.linalg.norm(PLAIN["keypoints"] - POINTS, axis=2)
    np.testing.assert_allclose(points["value"], np.nanmean(errors, axis=0), rtol=1e-5)
    assert points["faces"].to_dict() == {name: COUNT - (k in (0, 4)) for k, name in enumerate(KEYPOINTS)}
    mean = np.broadcast_to(np.nanmean(POINTS, axis=0), POINTS.shape)
    assert found["baseline_nme"] == pytest.approx(keypoint_metrics(POINTS, mean)["nme"], rel=1e-5)
    assert found["baseline_nme_low"] < found["baseline_nme"] < found["baseline_nme_high"]


# Duplicates of training faces.


@pytest.mark.parametrize("head", HEADS)
def test_an_honest_split_has_no_duplicates_and_says_so(
    tmp_path: Path, head: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = judged(written(tmp_path, head), head)
    assert found["test_rows_with_duplicates"] == 0
    name = "accuracy" if head == "emotion" else "nme"
    assert found[f"without_duplicates_{name}"] == found[name]
    assert f"with_duplicates_{name}" not in found
    told = " ".join(capsys.readouterr().out.split())
    assert "none of 36 test faces has a copy or near-duplicate in the training part: nothing to leave out" in told
    assert "LEAKS" not in told


@pytest.mark.parametrize("head", HEADS)
def test_duplicates_of_training_faces_are_told_apart_under_a_split_that_leaks(
    tmp_path: Path, head: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = judged(written(tmp_path, head, protocol="random", planted=12), head)
    assert found["test_rows_with_duplicates"] == 12
    for which, rows in (("with", slice(0, 12)), ("without", slice(12, None))):
        for name, value in metrics_of(head, PLAIN[head], rows).items():
            assert found[f"{which}_duplicates_{name}"] == pytest.approx(value, rel=1e-5)
    assert read(tmp_path / "duplicates.csv")["faces"].tolist() == [COUNT, 12, COUNT - 12]
    assert (found["leaking"], found["protocol"]) == (True, "random")
    told = " ".join(capsys.readouterr().out.split())
    assert "12 of 36 test faces have a copy or near-duplicate in the training part [LEAKS: random split]" in told


# Slices, and all that is drawn or listed.


@pytest.mark.parametrize("head", HEADS)
def test_slices_list_metrics_of_their_own_faces(tmp_path: Path, head: str) -> None:
    judge_slices(head, written(tmp_path, head), tmp_path / "predictions.npz", tmp_path)
    table = read(tmp_path / "slices.csv")
    assert table.groupby("property")["faces"].sum().to_dict() == {
        "brightness": COUNT,
        "sharpness": COUNT,
        "group size": COUNT,
    }
    light = part(head, 2, "grouped").images.mean(axis=(1, 2))
    dark = light <= np.quantile(light, 1 / 3)
    row = table[(table["property"] == "brightness") & (table["slice"] == "dark")].iloc[0]
    name = "accuracy" if head == "emotion" else "nme"
    targets = (LABELS if head == "emotion" else POINTS)[dark]
    metrics = (emotion_metrics if head == "emotion" else keypoint_metrics)(targets, PLAIN[head][dark])
    assert row[name] == pytest.approx(metrics[name], rel=1e-5)
    assert row["greatest"] == pytest.approx(light[dark].max(), rel=1e-5)
    assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
    left = [column for column in map(str, table) if column.endswith(("_low", "_high"))]
    assert len(left) == (12 if head == "emotion" else 8)


def test_what_is_left_for_the_eye_has_one_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[dict]] = []
    monkeypatch.setattr("tasks.evaluation.predictions.leave_table", lambda key, rows, description: seen.append(rows))
    judge_slices("keypoints", written(tmp_path, "keypoints"), tmp_path / "predictions.npz", tmp_path)
    columns = ["property", "slice", "least", "greatest", "faces", "groups", "nme", "nme_low", "nme_high"]
    assert [list(row) for row in seen[0]] == [columns] * len(seen[0])


@pytest.mark.parametrize("head", HEADS)
def test_whatever_bears_a_metric_bears_the_caution_and_what_dvc_names_is_written(
    tmp_path: Path, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path, head, protocol="random")
    described: list[str] = []
    for module in ("metrics", "predictions"):
        monkeypatch.setattr(
            f"tasks.evaluation.{module}.leave_table", lambda key, rows, description: described.append(description)
        )
    monkeypatch.setattr(
        "tasks.evaluation.predictions.leave_picture", lambda key, path, description: described.append(description)
    )
    monkeypatch.setattr(tasks.evaluation.robustness, "load_network", lambda path: Same(head))
    run_all(folder, head)
    assert len(described) >= (14 if head == "emotion" else 13)
    assert all("[LEAKS: random split]" in description for description in described)
    named = set(re.findall(rf"reports/evaluate/{head}/([\w.]+)", (ROOT / "dvc.yaml").read_text()))
    assert len(named) >= 7
    assert named <= {path.name for path in folder.iterdir()}
    pictures = {path.name for path in folder.glob("*.png")}
    assert pictures <= named
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in pictures)


def test_curves_for_dvc_are_those_of_the_predictions(tmp_path: Path) -> None:
    folder = written(tmp_path, "emotion")
    draw_emotion(folder, folder / "predictions.npz", EMOTION, folder)
    risks = read(folder / "risk_coverage.csv")
    wrong = (PLAIN["emotion"].argmax(axis=1) != LABELS).mean()
    assert risks["coverage"].iloc[-1] == 1
    assert risks["risk"].iloc[-1] == pytest.approx(wrong, rel=1e-5)
    bins = read(folder / "reliability.csv")
    assert bins["faces_before"].sum() == bins["faces_after"].sum() == COUNT
    assert (bins["accuracy_after"] * bins["faces_after"]).sum() == pytest.approx(COUNT * (1 - wrong), rel=1e-4)


def run_all(folder: Path, head: str) -> None:
    judged(folder, head)
    predictions, settings = folder / "predictions.npz", SETTINGS[head]
    if head == "emotion":
        draw_emotion(folder, predictions, EMOTION, folder)
    else:
        draw_keypoints(folder, predictions, POINT, folder)
    judge_slices(head, folder, predictions, folder)
    draw_robustness(
        head, folder, measure_robustness(head, folder, predictions, folder / "model", settings, folder), folder
    )


# Predicting, with networks that are simple to see through.


class Same:
    """Says the same of every face."""

    def __init__(self, head: str):
        self.says = np.array([0.2, 0.5, 0.3]) if head == "emotion" else POINTS[0].astype(float)

    def predict(self, images: np.ndarray, **options: object) -> np.ndarray:
        return np.repeat(self.says[None], len(images), axis=0)


class Brightest(Same):
    """All points lie on the column and the row of most light: what a mirror moves, and a rotation too."""

    def predict(self, images: np.ndarray, **options: object) -> np.ndarray:
        places = np.stack([images.sum(axis=1).argmax(axis=1), images.sum(axis=2).argmax(axis=1)], axis=1)
        return np.repeat(places[:, None].astype(float), 15, axis=1)


class Left(Same):
    """Says that the left half's share of the light is the probability of the first class."""

    def predict(self, images: np.ndarray, **options: object) -> np.ndarray:
        share = images[:, :, :24].sum(axis=(1, 2)) / images.sum(axis=(1, 2))
        return np.stack([share, 1 - share, 0 * share], axis=1)


@pytest.mark.parametrize(("head", "network"), [("keypoints", Brightest), ("emotion", Left)])
@pytest.mark.parametrize("flips", [False, True])
def test_predictions_of_the_mirrored_face_are_turned_back(
    tmp_path: Path, head: str, network: Callable[[str], Same], flips: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.evaluation.predict, "load_network", lambda path: network(head))
    settings = SETTINGS[head].model_copy(update={"flip_averaging": flips})
    found = load_evaluated(predict_test(head, tmp_path, written(tmp_path, head), settings, tmp_path / "out.npz"))
    images = part(head, 2, "grouped").images
    plain, of_mirrored = network(head).predict(images), network(head).predict(images[:, :, ::-1])
    back = mirror_points(of_mirrored, 96) if head == "keypoints" else of_mirrored
    np.testing.assert_array_equal(found.plain, plain)
    np.testing.assert_array_equal(found.mirrored, back)
    np.testing.assert_allclose(found.untempered, (plain + back) / 2 if flips else plain)
    if head == "keypoints":
        # The brightest column is the same one, seen in the mirror; of two equally bright ones, the other.
        np.testing.assert_allclose(found.mirrored, plain, atol=1)
    else:
        np.testing.assert_allclose(found.mirrored[:, 0], 1 - plain[:, 0])
    assert found.rows.tolist() == part(head, 2, "grouped").rows.tolist()
    assert bool(found.flip_averaging) is flips


@pytest.mark.parametrize("flips", [False, True])
def test_the_temperature_is_fitted_on_validation_as_test_faces_are_predicted(
    tmp_path: Path, flips: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Left("emotion")
    monkeypatch.setattr(tasks.evaluation.predict, "load_network", lambda path: network)
    settings, folder = EMOTION.model_copy(update={"flip_averaging": flips}), written(tmp_path, "emotion")
    validation = part("emotion", 1, "grouped")
    validation.images[:, :, 24:] //= 3
    save_part(folder / "validation.npz", validation)
    found = load_evaluated(predict_test("emotion", tmp_path, folder, settings, tmp_path / "out.npz"))
    shares, mirrored = network.predict(validation.images), network.predict(validation.images[:, :, ::-1])
    outputs = (shares + mirrored) / 2 if flips else shares
    assert found.temperature == fit_temperature(validation.targets, outputs)
    assert found.temperature != 1
    np.testing.assert_array_equal(found.predicted, with_temperature(found.untempered, float(found.temperature)))


def test_points_are_not_tempered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.evaluation.predict, "load_network", lambda path: Brightest("keypoints"))
    out = predict_test("keypoints", tmp_path, written(tmp_path, "keypoints"), POINT, tmp_path / "out.npz")
    assert load_evaluated(out).inference == Inference(False, 1)


@pytest.mark.parametrize("head", HEADS)
def test_corruptions_are_tried_on_some_faces_beside_clean_ones(
    tmp_path: Path, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.evaluation.robustness, "load_network", lambda path: Same(head))
    settings = SETTINGS[head].model_copy(update={"robustness_faces": 20})
    folder = written(tmp_path, head)
    table = read(measure_robustness(head, folder, folder / "predictions.npz", folder / "model", settings, folder))
    assert table["faces"].tolist() == [20] * (1 + 3 * len(CORRUPTIONS))
    expected = [("clean", 0), *((one.name, step) for one in CORRUPTIONS for step in (1, 2, 3))]
    assert list(zip(table["corruption"], table["step"], strict=True)) == expected
    name = "accuracy" if head == "emotion" else "nme"
    # Whoever says the same of every face suffers from nothing but points that move.
    suffers = table[(table[name] - table[name][0]).abs() > 1e-9]["corruption"].unique().tolist()
    assert suffers == ([] if head == "emotion" else ["rotation", "closer"])


def test_a_network_that_reads_the_light_suffers_from_gamma_and_is_used_as_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.evaluation.robustness, "load_network", lambda path: Left("emotion"))
    found = {}
    for flips, temperature in ((False, 1.0), (True, 1.0), (False, 3.0)):
        folder = written(tmp_path, "emotion", flips=flips, temperature=temperature)
        tables = measure_robustness("emotion", folder, folder / "predictions.npz", folder / "model", EMOTION, folder)
        found[flips, temperature] = read(tables)
    assert found[False, 1]["log_loss"].nunique() > 10
    # A temperature takes sureness away and changes no class.
    assert (found[False, 3]["log_loss"] != found[False, 1]["log_loss"]).all()
    assert found[False, 3]["accuracy"].equals(found[False, 1]["accuracy"])
    # The mean over both sides is one half each, whatever is done to the face.
    assert found[True, 1]["accuracy"].nunique() == 1
