"""Images are predicted with all trained classes, rows of tables with the output classes, in one table."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import params
import tasks.scoring.batch
from faces.models.tta import Inference
from faces.scoring.drift import Reference
from faces.scoring.prediction_table import prediction_table, spread_classes
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.models.approved_models import ApprovedModels, TableClasses
from tasks.models.inference_engine import TABLES
from tasks.plots.scoring_report import write_report
from tasks.scoring.drift_check import FILE, watch_drift
from tasks.scoring.prediction_rows import model_info
from tasks.scoring.predictor import Predictor
from tests.scoring.test_batch import hashes, scored, settings, stub_outputs

ALL, OUTPUT = ["anger", "neutral", "sad", "happiness"], ["sad", "anger", "happiness"]
REFERENCE = Reference({"neutral": 300, "sad": 100}, {"confidence": np.linspace(0.3, 1, 41).tolist()})
OF_TABLES = Reference({"sad": 200, "anger": 200}, {"confidence": np.linspace(0.4, 1, 41).tolist()})


def outputs(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of a stub model of four classes, which is always surest of neutral."""
    found = stub_outputs(faces)
    if "emotion" in faces:
        three = found["emotion"]
        found[TABLES] = three
        found["emotion"] = np.column_stack([three[:, :1] / 4, np.full(len(three), 0.75), three[:, 1:] / 4])
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list:
    """What the inference engine is made for."""
    found: list = []

    def engine(*given: Any) -> Any:
        found.append(given)
        return outputs

    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", engine)
    return found


@pytest.fixture
def approved(tmp_path: Path, asked: list) -> ApprovedModels:
    folder = tmp_path / "models"
    folder.mkdir()
    paths = {model_name: folder / f"{model_name}.onnx" for model_name in ("keypoints", "emotion")}
    for model_name, path in paths.items():
        path.write_text(model_name)
    tables = TableClasses(OUTPUT, Inference(False, 1.0, (2, 0, 3)), OF_TABLES)
    return ApprovedModels(paths, hashes(paths), dict.fromkeys(paths, Inference(False)), ALL, REFERENCE, tables)


@pytest.fixture
def mixed(tmp_path: Path) -> list[str]:
    """Two images and a table of five rows."""
    faces = draw_faces(np.random.default_rng(5), np.arange(7) % 5, 96, KEYPOINTS_FRAMING)[0]
    for number, face in enumerate(faces[:2]):
        Image.fromarray(face).save(tmp_path / f"{number}.png")
    np.savez(tmp_path / "split.npz", images=faces[2:], rows=np.arange(1, 6))
    return [str(tmp_path / name) for name in ("0.png", "split.npz", "1.png")]


def test_every_trained_class_has_a_column_empty_where_it_was_not_asked_for(
    approved: ApprovedModels, mixed: list[str], tmp_path: Path
) -> None:
    table = scored(mixed, approved, tmp_path / "out", shard_size=3)
    assert [name for name in table.columns if name.startswith("probability_")] == [
        f"probability_{name}" for name in ALL
    ]
    shares, is_row = table[[f"probability_{name}" for name in ALL]], table["row"] > 0
    assert is_row.tolist() == [False, *[True] * 5, False]
    assert shares["probability_neutral"].isna().tolist() == is_row.tolist()
    assert not shares.drop(columns="probability_neutral").isna().any(axis=None)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    assert set(table["emotion"][~is_row]) == {"neutral"}
    assert set(table["emotion"][is_row]) <= set(OUTPUT)
    np.testing.assert_allclose(table["confidence"], shares.max(axis=1))
    assert ("probability_" + table["emotion"]).tolist() == shares.idxmax(axis=1).tolist()


def test_arrays_are_images(approved: ApprovedModels, mixed: list[str]) -> None:
    predictor = Predictor(model_info(approved, "v1"), approved, settings(), outputs)
    assert set(predictor.predict([np.asarray(Image.open(mixed[0]))])["emotion"]) == {"neutral"}
    assert predictor.predict_files(mixed)["probability_neutral"].isna().sum() == 5


def test_the_models_are_asked_for_both(approved: ApprovedModels, mixed: list[str], tmp_path: Path, asked: list) -> None:
    scored(mixed, approved, tmp_path / "out")
    assert approved.tables is not None
    assert asked == [(approved.paths, approved.inference, approved.tables.inference)]


def test_report_and_drift_tell_images_from_rows_of_tables(
    approved: ApprovedModels, mixed: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    scored(mixed, approved, out)
    watch_drift(out, approved, params.Drift(psi_threshold=0.25, p_value=0.001), "v1")
    rows = {row["property"]: row for row in json.loads((out / FILE).read_text())["properties"]}
    assert list(rows) == [
        f"{name} of {kind}" for kind in ("images", "rows of tables") for name in ("emotion", "confidence")
    ]
    assert rows["emotion of images"]["current"] == "neutral 100%"
    assert rows["confidence of rows of tables"]["reference"] == "0.7"
    page = write_report(out, approved, settings()).read_text()
    assert re.search(r"Emotions asked for, in images\W.*?anger, neutral, sad, happiness", page, re.DOTALL)
    assert re.search(r"Emotions asked for, in rows of tables\W.*?sad, anger, happiness", page, re.DOTALL)
    found = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found
    shares = [face["probabilities"] for face in json.loads(found[1])["faces"]]
    assert [share[1] is None for share in shares] == [False, *[True] * 5, False]


@pytest.mark.parametrize(("kept", "of"), [(slice(0, 1), "neutral"), (slice(1, 2), "sad")])
def test_drift_of_one_kind_is_measured_from_its_own_reference(
    kept: slice, of: str, approved: ApprovedModels, mixed: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    scored(mixed[kept], approved, out)
    watch_drift(out, approved, params.Drift(psi_threshold=0.25, p_value=0.001), "v1")
    emotion, confidence = json.loads((out / FILE).read_text())["properties"]
    assert (emotion["property"], confidence["property"]) == ("emotion", "confidence")
    assert confidence["reference"] == ("0.65" if of == "neutral" else "0.7")


def test_spread_classes_by_hand() -> None:
    spread = spread_classes(np.array([[0.6, 0.4], [0.1, 0.9]]), ["sad", "anger"], ["anger", "fear", "sad"])
    np.testing.assert_array_equal(spread, [[0.4, np.nan, 0.6], [0.9, np.nan, 0.1]])
    table = prediction_table(np.array([1, 2]), spread, ["anger", "fear", "sad"], np.zeros((2, 15, 2)))
    assert table["emotion"].tolist() == ["sad", "anger"]
    assert table["confidence"].tolist() == [0.6, 0.9]
    pd.testing.assert_series_equal(table["probability_fear"], pd.Series([np.nan] * 2, name="probability_fear"))
