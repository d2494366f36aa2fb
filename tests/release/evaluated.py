"""A small project as `dvc repro` leaves it, with the committed reports, in place of models short texts."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pandas as pd

from faces.common.schema import KEYPOINTS, LABEL_ENCODINGS
from tasks.common.files import sha256
from tasks.models.exports import PRECISIONS, export_path
from tasks.release.release_page import CHARTS, SHOWN
from tests.conftest import ROOT, commit, copy_settings
from tests.tiny import MODELS

CLASSES = LABEL_ENCODINGS["course"]
GATE_RESULT = Path("reports/gate.json")
GRAPH = """\
stages:
  ingest:
    cmd: python -m flows run ingest
    deps: [faces/readers.py, tables/keypoints.csv, tables/emotion.csv]
    params: [ingest]
    outs: [data/raw/keypoints.csv, data/raw/emotion.csv]
  prepare:
    matrix: {model: [keypoints, emotion]}
    cmd: python -m flows run prepare ${item.model}
    deps: ["data/raw/${item.model}.csv"]
    outs: ["data/prepared/${item.model}", "reports/prepare/${item.model}.json": {cache: false}]
  train:
    matrix: {model: [keypoints, emotion]}
    cmd: python -m flows run train ${item.model}
    deps: [faces/network.py, "data/prepared/${item.model}", "models/pretrained/${item.model}"]
    params: [{conf/recipe/sample.yaml: ["${item.model}.student"]}]
    outs: ["models/trained/${item.model}.keras", "reports/train/${item.model}.json": {cache: false}]
  export:
    matrix: {model: [keypoints, emotion]}
    cmd: python -m flows run export ${item.model}
    deps: ["models/trained/${item.model}.keras", "data/prepared/${item.model}/train.npz"]
    outs: ["models/trained/${item.model}.float32.onnx", "models/trained/${item.model}.int8.onnx"]
  evaluate:
    matrix: {model: [keypoints, emotion]}
    cmd: python -m flows run evaluate ${item.model}
    deps: ["models/trained/${item.model}.int8.onnx"]
    outs: ["reports/evaluate/${item.model}", "reports/metrics/${item.model}.json": {cache: false}]
  report:
    matrix: {model: [keypoints, emotion]}
    cmd: python -m flows run report ${item.model}
    deps: ["reports/evaluate/${item.model}"]
    outs: ["reports/figures/${item.model}"]
  gate:
    cmd: python -m flows run gate
    deps: [reports/metrics/keypoints.json, reports/metrics/emotion.json, models/trained/emotion.keras]
    params: [{conf/dataset/sample.yaml: [gate]}]
    outs: [reports/gate.json: {cache: false}]
  score:
    cmd: python -m flows run score
    deps: [reports/gate.json]
    outs: [data/scored.csv]
"""


def evaluated(folder: Path) -> Path:
    """Write the project to an empty folder, and record its files in `dvc.lock`."""
    for name in ("metrics", "prepare", "train"):
        shutil.copytree(ROOT / "reports" / name, folder / "reports" / name)
    copy_settings(folder)
    gate_result = json.loads((ROOT / GATE_RESULT).read_text())
    for model_name in MODELS:
        model = folder / gate_result["models"][model_name]["path"]
        write_model(model, f"weights of {model_name}")
        exports = {}
        for precision in PRECISIONS:
            export_path(model, precision).write_text(f"{model_name} {precision}")
            exports[precision] = sha256(export_path(model, precision))
        gate_result["models"][model_name] |= {"sha256": sha256(model), "precision": "int8", "exports": exports}
        _write_tables(model_name, folder / "reports/evaluate" / model_name)
        for chart in CHARTS[model_name]:
            _write(folder / f"reports/figures/{model_name}/{chart}.png", f"{model_name} {chart}")
        for path in (f"tables/{model_name}.csv", f"data/raw/{model_name}.csv", f"data/prepared/{model_name}/train.npz"):
            _write(folder / path, path)
        write_model(folder / f"models/pretrained/{model_name}/start.keras", f"weights of {model_name}")
    (folder / GATE_RESULT).write_text(json.dumps(gate_result))
    for path in ("faces/readers.py", "faces/network.py", "data/scored.csv", "requirements.txt"):
        _write(folder / path, path)
    (folder / "dvc.yaml").write_text(GRAPH)
    (folder / ".gitignore").write_text("/models\n/data\n/tables\n/reports/figures\n/reports/evaluate\n")
    (folder / ".dvc").mkdir()
    (folder / ".dvc/.gitignore").write_text("/tmp\n/cache\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    record(folder)
    commit(folder, "evaluated")
    return folder


def record(project: Path) -> None:
    """Have `dvc.lock` say that the stages made the files that are there."""
    subprocess.run([sys.executable, "-m", "dvc", "commit", "--force", "--quiet"], cwd=project, check=True)


def write_model(path: Path, weights: str) -> None:
    """A file as Keras writes it: a zip archive of which one member has the weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", str(path.name))
        archive.writestr("model.weights.h5", weights)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


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
