"""A batch unlike the reference data has drifted; a few odd faces, or a million nearly alike ones, have not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import params
import tasks.scoring.drift_check
from faces.plots.scoring import emotions_figure
from faces.scoring.drift import (
    MIN_FACES,
    STEPS,
    Reference,
    measure_drift,
    pixel_properties,
    reference_of,
    stability_index,
)
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING
from tasks.common.dataset import save_dataset
from tasks.evaluation.drift_reference import write_drift_reference
from tasks.evaluation.predictions import Predictions, save_predictions
from tasks.scoring.drift_check import FILE, watch_drift
from tests.scoring.approved import models_with
from tests.tiny import CLASSES, part

BOUNDS = {"psi_threshold": 0.25, "p_value": 0.001}


def values(faces: int, seed: int, shift: float = 0.0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {"brightness": generator.normal(120 + shift, 30, faces), "confidence": generator.beta(4, 2, faces)}


def named(faces: int, seed: int, sad: float = 0.3) -> list[str]:
    return np.random.default_rng(seed).choice(["anger", "sad", "surprise"], faces, p=[0.2, sad, 0.8 - sad]).tolist()


def counted(names: list[str]) -> dict[str, int]:
    return {name: names.count(name) for name in set(names)}


REFERENCE = reference_of(named(2000, 1), values(2000, 1))


def drifted(faces: int, seed: int, shift: float = 0.0, sad: float = 0.3) -> dict[str, bool | None]:
    results = measure_drift(REFERENCE, counted(named(faces, seed, sad)), values(faces, seed, shift), **BOUNDS)
    return {result.property: result.drifted for result in results}


def test_stability_index_by_hand() -> None:
    """Two bins of expected fraction 0.5; with 0.5 added to each count, the current ones are 1.5/4 and 2.5/4."""
    found = stability_index(np.array([0.5, 0.5]), np.array([1, 2]))
    assert found == pytest.approx((0.375 - 0.5) * np.log(0.75) + (0.625 - 0.5) * np.log(1.25))
    assert stability_index(np.array([0.25, 0.75]), np.array([250, 750])) == pytest.approx(0, abs=1e-6)
    assert np.isfinite(stability_index(np.array([0.5, 0.5]), np.array([0, 9])))


def test_reference_data_can_be_written_and_read() -> None:
    assert Reference(**json.loads(json.dumps(REFERENCE._asdict()))) == REFERENCE
    assert {len(levels) for levels in REFERENCE.quantiles.values()} == {STEPS + 1}
    assert all(levels == sorted(levels) for levels in REFERENCE.quantiles.values())
    assert sum(REFERENCE.emotions.values()) == 2000


@pytest.mark.parametrize("faces", [30, 60, 1000, 20_000])
def test_another_sample_of_the_same_distribution_has_not_drifted(faces: int) -> None:
    for seed in range(2, 22):
        assert not any(drifted(faces, seed).values()), seed


def test_only_the_changed_property_has_drifted() -> None:
    assert drifted(400, 3, shift=40) == {"emotion": False, "brightness": True, "confidence": False}
    assert drifted(400, 3, sad=0.75) == {"emotion": True, "brightness": False, "confidence": False}


def test_a_small_difference_of_many_faces_and_a_large_one_of_a_few_are_no_drift() -> None:
    many = measure_drift(REFERENCE, counted(named(50_000, 4)), values(50_000, 4, shift=3), **BOUNDS)
    few = measure_drift(REFERENCE, counted(named(MIN_FACES, 5)), values(MIN_FACES, 5, shift=24), **BOUNDS)
    assert many[1].p < BOUNDS["p_value"]
    assert few[1].psi > BOUNDS["psi_threshold"]
    assert not any(one.drifted for one in (*many, *few))


@pytest.mark.parametrize(("zeros", "ones"), [(0.0, 0.4), (0.3, 0.0), (0.3, 0.4)], ids=["many 1", "many 0", "both"])
def test_many_equal_values_are_no_drift(zeros: float, ones: float) -> None:
    """Saturated crops and confident models: many values are equal or close to one end."""

    def sampled(faces: int, seed: int) -> np.ndarray:
        generator = np.random.default_rng(seed)
        near_one = 1 - generator.random(faces) ** 30
        return np.select([generator.random(faces) < zeros, generator.random(faces) < ones], [0.0, 1.0], near_one)

    reference = reference_of(["sad"] * 2000, {"confidence": sampled(2000, 1)})
    for faces in (1, 30, 500, 5000):
        for seed in range(2, 12):
            found = measure_drift(reference, {"sad": faces}, {"confidence": sampled(faces, seed)}, **BOUNDS)
            assert found[1].psi < 0.25 or faces < 100
            assert found[1].p > BOUNDS["p_value"] or faces == 5000, (faces, seed)
            assert not found[1].drifted
    other = measure_drift(reference, {"sad": 500}, {"confidence": sampled(500, 3) * 0.9}, **BOUNDS)
    assert other[1].drifted


def test_a_batch_has_not_drifted_from_itself() -> None:
    confidence = (1 - np.random.default_rng(1).random(600) ** 40).astype(np.float32)
    reference = reference_of(["sad"] * 600, {"confidence": confidence})
    found = measure_drift(reference, {"sad": 600}, {"confidence": confidence}, **BOUNDS)[1]
    assert found.psi == pytest.approx(0, abs=1e-3)
    assert found.p > 0.9


def test_a_face_of_a_rare_emotion_is_no_drift() -> None:
    reference = Reference({"happiness": 600, "sad": 381, "disgust": 19}, {})
    assert measure_drift(reference, {"disgust": 1}, {}, **BOUNDS)[0].p == pytest.approx(0.019, abs=0.005)
    assert measure_drift(reference, {"disgust": 6}, {}, **BOUNDS)[0].p < BOUNDS["p_value"]
    assert measure_drift(reference, {"disgust": MIN_FACES}, {}, **BOUNDS)[0].drifted
    fractions = np.array([600, 381, 19]) / 1000
    for faces in (30, 40, 100):
        drawn = np.random.default_rng(faces).multinomial(faces, fractions, 300)
        rows = [dict(zip(reference.emotions, map(int, row), strict=True)) for row in drawn]
        assert sum(measure_drift(reference, row, {}, **BOUNDS)[0].drifted is True for row in rows) <= 2, faces


@pytest.mark.parametrize("shift", [0, 4, 9])
def test_p_agrees_with_the_two_sample_test_of_scipy(shift: float) -> None:
    """Up to the error of interpolating between quantiles."""
    ours = measure_drift(REFERENCE, {"sad": 1}, values(500, 6, shift), **BOUNDS)[1].p
    theirs = stats.ks_2samp(values(2000, 1)["brightness"], values(500, 6, shift)["brightness"]).pvalue
    assert np.log10(ours) == pytest.approx(np.log10(theirs), abs=0.15 + 0.15 * abs(np.log10(theirs)))


def test_a_new_emotion_drifts_and_a_single_one_does_not() -> None:
    reference = Reference({"sad": 100}, {})
    assert measure_drift(reference, {"anger": 100}, {}, **BOUNDS)[0].drifted
    assert measure_drift(reference, {"sad": 50}, {}, **BOUNDS)[0][1:] == ("sad 100%", "sad 100%", 0.0, 1.0, False)


def test_an_emotion_that_is_no_longer_predicted_is_drawn() -> None:
    labels = emotions_figure({"sad": 5}, {"sad": 10, "happiness": 90}).axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["happiness", "sad"]


def test_properties_are_those_of_each_face_alone() -> None:
    images = draw_faces(np.random.default_rng(1), np.arange(5), 48, EMOTION_FRAMING)[0]
    darker = pixel_properties((images // 2).astype(np.uint8))
    for name, found in pixel_properties(images).items():
        assert found.shape == (5,)
        assert (darker[name] < found).all(), name
        np.testing.assert_allclose(pixel_properties(images[3:4])[name], found[3:4])


def test_the_reference_data_are_test_faces_and_their_predictions(tmp_path: Path) -> None:
    test = part("emotion", 40)
    save_dataset(tmp_path / "prepared/test.npz", test)
    probabilities = np.random.default_rng(2).dirichlet(np.ones(CLASSES), 40)
    save_predictions(
        tmp_path / "predictions.npz",
        Predictions(
            probabilities, probabilities, np.array(False), np.array(1.0), test.rows, np.array("int8"), probabilities
        ),
    )
    path = write_drift_reference(tmp_path / "prepared", tmp_path / "predictions.npz", tmp_path / "reference.json")
    found = Reference(**json.loads(path.read_text()))
    assert found.quantiles.keys() == {"brightness", "contrast", "sharpness", "confidence"}
    assert found.quantiles["confidence"][-1] == pytest.approx(probabilities.max(), abs=1e-4)
    assert found.emotions == counted(test.classes[probabilities.argmax(axis=1)].tolist())


def scored(folder: Path, faces: int, **changes: Any) -> Path:
    folder.mkdir()
    table = pd.DataFrame({"row": 0, "emotion": named(faces, 7), **values(faces, 7, **changes)})
    table.to_parquet(folder / "predictions.parquet")
    return folder


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list:
    found: list = []
    monkeypatch.setattr(tasks.scoring.drift_check, "emit", lambda *event: found.append(event))
    return found


def test_a_batch_that_drifted_is_logged_and_emits_an_event(
    tmp_path: Path, events: list, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = params.Drift(**BOUNDS)
    same, other = scored(tmp_path / "same", 300), scored(tmp_path / "other", 300, shift=50)
    watch_drift(same, models_with(REFERENCE), settings, "v1")
    assert json.loads((same / FILE).read_text())["drifted"] == []
    assert events == []
    watch_drift(other, models_with(REFERENCE), settings, "v1")
    content = json.loads((other / FILE).read_text())
    assert content["drifted"] == ["brightness"]
    assert content["properties"][1]["reference"] == f"{REFERENCE.quantiles['brightness'][STEPS // 2]:.3g}"
    assert events == [("faces.drift", {"folder": str(other), "models": "v1", "faces": 300, "drifted": ["brightness"]})]
    assert "DRIFTED" in capsys.readouterr().out


def test_nothing_is_compared_without_reference_data_or_without_faces(tmp_path: Path, events: list) -> None:
    watch_drift(scored(tmp_path / "older", 9), models_with(None), params.Drift(**BOUNDS), "v1")
    watch_drift(scored(tmp_path / "empty", 0), models_with(REFERENCE), params.Drift(**BOUNDS), "v1")
    assert not list(tmp_path.rglob(FILE))
    assert events == []


def test_fewer_faces_than_the_minimum_are_measured_and_not_judged(
    tmp_path: Path, events: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    titles: list[str] = []
    monkeypatch.setattr(tasks.scoring.drift_check, "log", lines.append)
    monkeypatch.setattr(
        tasks.scoring.drift_check, "log_table", lambda key, rows, title: titles.append(f"{title} {rows[1]['drifted']}")
    )
    for faces in (1, MIN_FACES - 1, MIN_FACES):
        out = scored(tmp_path / str(faces), faces, shift=500)
        watch_drift(out, models_with(REFERENCE), params.Drift(**BOUNDS), "v1")
        content = json.loads((out / FILE).read_text())
        assert content["judged"] == (faces == MIN_FACES)
        assert content["min_faces"] == MIN_FACES
        assert content["properties"][1]["psi"] > BOUNDS["psi_threshold"] or faces == 1
        assert content["properties"][1]["drifted"] is (True if faces == MIN_FACES else None)
        assert content["drifted"] == (["brightness"] if faces == MIN_FACES else [])
    assert lines == [
        "drift is not judged: 1 face is fewer than 30",
        "drift is not judged: 29 faces are fewer than 30",
        "DRIFT of brightness: these faces differ from the reference data",
    ]
    assert [title.split("; ")[-1] for title in titles[:2]] == [f"{line} not judged" for line in lines[:2]]
    assert titles[2].endswith(f"{FILE} DRIFTED")
    assert len(events) == 1
