"""The pages of a release contain the values of a project's reports, and link the charts beside them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.release_page import CHARTS, MODELS, SHOWN, evidence, page, read_json
from faces.common.schema import KEYPOINTS, LABEL_ENCODINGS
from tasks.common.files import sha256
from tasks.models.exports import PRECISIONS, export_path
from tests.conftest import ROOT, commit, copy_settings

CLASSES = LABEL_ENCODINGS["course"]


def evaluated(folder: Path) -> Path:
    """A project in which the sample faces were evaluated, with the committed reports and small tables."""
    for name in ("metrics", "prepare", "train"):
        shutil.copytree(ROOT / "reports" / name, folder / "reports" / name)
    gate_result = read_json(ROOT / "reports/gate.json")
    for model_name in MODELS:
        model = folder / gate_result["models"][model_name]["path"]
        model.parent.mkdir(parents=True, exist_ok=True)
        model.write_bytes(f"the {model_name} model".encode())
        exports = {}
        for precision in PRECISIONS:
            export_path(model, precision).write_bytes(f"{model_name} {precision}".encode())
            exports[precision] = sha256(export_path(model, precision))
        gate_result["models"][model_name] |= {"sha256": sha256(model), "precision": "int8", "exports": exports}
        _write_tables(model_name, folder / "reports/evaluate" / model_name)
        _write_charts(model_name, folder / "reports/figures" / model_name)
    (folder / "reports/gate.json").write_text(json.dumps(gate_result))
    copy_settings(folder)
    (folder / ".dvc").mkdir()
    (folder / ".gitignore").write_text("/models\n/docs\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    commit(folder, "evaluated")
    return folder


def _write_tables(model_name: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    metrics = {
        f"{name}{end}": value for name in SHOWN[model_name] for end, value in (("", 0.5), ("_low", 0.4), ("_high", 0.6))
    }
    dark = {"property": "brightness", "slice": "dark", "faces": 20} | metrics
    blurred = {"corruption": "blur", "strength": 0.01, "unit": "of the side", "faces": 8} | metrics
    clean = {"corruption": "clean", "strength": 0, "unit": "", "faces": 8} | dict.fromkeys(metrics, 0.7)
    pd.DataFrame([dark]).to_csv(folder / "slices.csv", index=False)
    pd.DataFrame([clean, blurred]).to_csv(folder / "robustness.csv", index=False)
    points = pd.DataFrame({"point": KEYPOINTS, "value": 1.5, "low": 1.25, "high": 1.75})
    points.to_csv(folder / "per_keypoint_error.csv", index=False)
    measures = {f"{name}{end}": 0.9 for name in ("precision", "recall", "f1") for end in ("", "_low", "_high")}
    pd.DataFrame({"class": CLASSES, "faces": 9, **measures}).to_csv(folder / "classes.csv", index=False)


def _write_charts(model_name: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    for chart in CHARTS[model_name]:
        (folder / f"{chart}.png").write_bytes(f"{model_name} {chart}".encode())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return evaluated(tmp_path / "project")


def test_the_page_contains_files_metrics_revision_and_changed_settings(project: Path) -> None:
    settings = project / "conf/dataset/sample.yaml"
    settings.write_text(
        settings.read_text().replace("keypoint_offset_px: [0.0, 0.0]", "keypoint_offset_px: [1.5, 0.0]")
    )
    (project / "conf/recipe/mine.yaml").write_text("emotion: {}\n")
    gate_result = read_json(project / "reports/gate.json")
    text = page(project, gate_result, "fast", "")
    for model_name in MODELS:
        model = gate_result["models"][model_name]
        assert all(found in text for found in (model["sha256"], *model["exports"].values()))
        metric = SHOWN[model_name][0]
        assert f"{read_json(project / f'reports/metrics/{model_name}.json')[metric]:.3f} (" in text
        assert f"{read_json(project / f'reports/prepare/{model_name}.json')['rows']['train']:,}" in text
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, check=True, text=True).stdout
    assert f"Revision {head.strip()}, settings changed:" in text
    assert re.search(
        r"^\+\+\+ conf/dataset/sample.yaml\n- .*\n\+ +keypoint_offset_px: \[1\.5, 0\.0\].*\n\+\+\+ conf/recipe/mine",
        text,
        re.M,
    )
    assert "shifted by 1.5 px in x and 0 px in y" in text
    assert "`dvc repro` on those data sets." in text
    assert "Drawn by hand." in page(project, gate_result, "fast", "Drawn by hand.\n")


def test_the_evaluation_page_has_every_class_point_slice_and_corruption(project: Path) -> None:
    text = evidence(project, "fast")
    assert "| brightness | dark | 20 | 0.500 (0.400 to 0.600) | 0.500 (0.400 to 0.600) |" in text
    assert "| clean | 0.0 |  | 0.700 (0.700 to 0.700) |" in text
    assert "| blur | 0.01 | of the side | 0.500 (0.400 to 0.600) |" in text
    assert all(f"| {name} | 9 | 0.900 (0.900 to 0.900) |" in text for name in CLASSES)
    assert all(f"| {name} | 1.50 (1.25 to 1.75) |" in text for name in KEYPOINTS)
    charts = re.findall(r"!\[.+?\]\(fast/(.+)\.png\)", text)
    assert sorted(charts) == sorted(f"{model_name}-{chart}" for model_name in MODELS for chart in CHARTS[model_name])
