"""The benchmark of scoring: the original's models and ours, in both engines, score the same faces."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.scoring import ORIGINAL, main, operations, sample_faces, table_rows, ways_of
from faces.common.pixel_text import SIZES
from faces.common.schema import COORDINATES, LABEL_ENCODINGS
from faces.models.complexity import macs
from faces.models.tta import Inference
from tasks.models.approved_models import ApprovedModels
from tasks.models.export import export_int8
from tasks.models.exports import export_path
from tasks.models.keras_files import load_model, save_model
from tasks.models.onnx_files import export_float32
from tasks.training.builders import build_model
from tests.scoring.test_batch import hashes
from tests.tiny import CONSTANTS, MODELS, noise, part, training

FACES = 3


def tiny_models(folder: Path) -> tuple[dict[str, Path], ApprovedModels]:
    """Files of models with few weights, and their exports; the emotion model with flip TTA."""
    paths: dict[str, Path] = {}
    for model_name in MODELS:
        dataset = replace(part(model_name, 2), images=noise(2, SIZES[model_name]))
        paths[model_name] = folder / f"{model_name}.keras"
        model = build_model(dataset, training(model_name), CONSTANTS)
        save_model(model, paths[model_name])
        export_float32(load_model(paths[model_name]), export_path(paths[model_name], "float32"))
        export_int8(export_path(paths[model_name], "float32"), dataset.images, export_path(paths[model_name], "int8"))
    how = {"keypoints": Inference(False), "emotion": Inference(True, 1.5)}
    exports = {model_name: export_path(path, "int8") for model_name, path in paths.items()}
    return paths, ApprovedModels(exports, hashes(exports), how, list(LABEL_ENCODINGS["course"]))


def test_all_ways_score_all_faces_and_ours_agree(tmp_path: Path) -> None:
    ways = ways_of(sample_faces(FACES), *tiny_models(tmp_path))
    tables = {name: table for name, way in ways.items() if isinstance(table := way(), pd.DataFrame)}
    assert len(tables) == 4
    for table in tables.values():
        assert len(table) == FACES
        assert np.isfinite(table[list(COORDINATES)].to_numpy()).all()
    assert tables.pop(ORIGINAL)["emotion"].isin(range(5)).all()
    by_keras, by_engine, _ = tables.values()
    np.testing.assert_allclose(by_keras[list(COORDINATES)], by_engine[list(COORDINATES)], atol=0.01)
    np.testing.assert_allclose(by_keras["confidence"], by_engine["confidence"], atol=1e-4)


def test_rows_by_hand() -> None:
    """Six faces of 3 GFLOP in 0.5 s are 36 GFLOP/s, a quarter of 144."""
    rows = table_rows({ORIGINAL: 2.0, "ours": 0.5}, num_faces=6, cost=3.0, peak_rate=144.0)
    assert rows == [[ORIGINAL, "3", "1.00", ""], ["ours", "12", "4.00", "36 (25%)"]]


def test_flip_tta_doubles_the_operations(tmp_path: Path) -> None:
    files, approved = tiny_models(tmp_path)
    each = {model_name: 2e-9 * macs(load_model(path)) for model_name, path in files.items()}
    assert operations(files, approved) == pytest.approx(each["keypoints"] + 2 * each["emotion"])


def test_sample_faces_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.scoring.NUM_DISTINCT", 2)
    images = sample_faces(5)
    np.testing.assert_array_equal(images[[2, 3, 4]], images[[0, 1, 0]])
    assert (images[0] != images[1]).any()


def test_the_command_shows_a_row_of_finite_values_for_each_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files, approved = tiny_models(tmp_path)
    monkeypatch.setattr("benchmarks.scoring.load_approved_models", lambda gate_result: approved)
    monkeypatch.setattr("benchmarks.scoring.model_files", lambda model_set: files)
    main(["--faces", "2", "--repeats", "1", "--matrix", "32", "--in-memory"])
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.strip() == "2 faces in memory"
    rows = [[cell.strip() for cell in line[1:-1].split("│")] for line in lines if line.startswith("│")]
    assert [row[0] for row in rows] == [ORIGINAL, "ours, Keras's predict", "ours, float32", "ours, int8"]
    assert rows[0][2:] == ["1.00", ""]
    for row in rows[1:]:
        assert float(row[1]) > 0
        assert float(row[2]) > 0
        assert re.fullmatch(r"\d+ \(\d+%\)", row[3])
