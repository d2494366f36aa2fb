"""All stages on real faces, in a scratch copy; skipped without real faces."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tasks.common.dataset import load_dataset
from tests.conftest import ROOT, copy_project, runner, set_params

REAL = ROOT.parent / "shared" / "realdata" / "to_csv.py"
pytestmark = pytest.mark.skipif(not REAL.exists(), reason="no real faces beside this checkout")


OUTPUT, AUXILIARY = ["anger", "disgust", "sad", "happiness", "surprise"], ["fear", "neutral"]


def test_all_stages_run_on_real_faces(tmp_path: Path) -> None:
    seven = ["--layout", "fer2013", "--rows", "14000"]
    for kind, name, options in (("emotions", "emotion", seven), ("keypoints", "keypoints", [])):
        subprocess.run([sys.executable, REAL, kind, tmp_path / f"{name}.csv", *options], check=True)
    project = copy_project(tmp_path / "project")
    set_params(
        project,
        sample__num_samples__keypoints=100,
        sample__num_samples__emotion=100,
        ingest__keypoints=str(tmp_path / "keypoints.csv"),
        ingest__emotion=str(tmp_path / "emotion.csv"),
        validate__emotion__label_encoding="fer2013",
        prepare__emotion__train_classes=[*OUTPUT, *AUXILIARY],
        prepare__emotion__output_classes=OUTPUT,
        emotion__student__epochs=6,
        keypoints__student__epochs=6,
        gate__keypoints__max_nme=0.12,
        gate__keypoints__max_rmse_px=3.5,
        gate__keypoints__max_failure_rate=0.6,
        gate__keypoints__max_slice_nme=0.2,
        gate__keypoints__max_int8_nme_increase=0.01,
        gate__emotion__max_int8_accuracy_drop=0.02,
        gate__emotion__min_accuracy=0.55,
        gate__emotion__min_macro_f1=0.40,
        gate__emotion__max_ece=0.2,
        gate__emotion__min_skill_score=0.25,
        gate__emotion__min_recall=0.0,
        gate__emotion__min_slice_accuracy=0.4,
    )
    runner(project)("dvc", "repro")
    metrics = {
        model_name: json.loads((project / f"reports/metrics/{model_name}.json").read_text())
        for model_name in ("keypoints", "emotion")
    }
    print(json.dumps(metrics, indent=1))
    assert metrics["keypoints"]["nme"] < 0.8 * metrics["keypoints"]["baseline_nme"]
    assert metrics["emotion"]["accuracy"] > metrics["emotion"]["baseline_pixel_logistic_accuracy"] > 0.4
    subjects = json.loads((project / "reports/prepare/keypoints.json").read_text())["subjects"]
    assert sum(subjects.values()) == 285
    assert len(pd.read_parquet(project / "data/scored/predictions.parquet")) == metrics["emotion"]["num_test_samples"]
    _all_classes_are_predicted(project)


def _all_classes_are_predicted(project: Path) -> None:
    """Of seven classes, five are judged; `--classes all` predicts all of them, as well as the evaluation says."""
    calibration = json.loads((project / "reports/evaluate/emotion/calibration.json").read_text())["all"]
    found = {}
    validation = load_dataset(project / "data/prepared/emotion/validation.npz")
    for classes in ("output", "all"):
        source, out = "data/prepared/emotion/validation.npz", f"scored-{classes}"
        runner(project)("python", "-m", "flows", "score", source, "--classes", classes, "--out", out)
        found[classes] = pd.read_parquet(project / f"scored-{classes}/predictions.parquet")["emotion"].to_numpy()
    assert set(found["output"]) <= set(OUTPUT)
    assert set(found["all"]) & set(AUXILIARY)
    labels = validation.classes[validation.targets]
    assert (found["all"] == labels).mean() == pytest.approx(calibration["validation"]["accuracy"])
    assert (found["output"] == labels).mean() < (found["all"] == labels).mean()
