"""The whole pipeline on a small project: `dvc repro` without a server, then a user's changes. Tests run in order."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

import params
from faces.common.schema import COORDINATES, LABEL_ENCODINGS
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.common.dataset import load_dataset
from tasks.common.files import sha256
from tasks.orchestration.stage_status import FOLDER
from tests.conftest import Run, commit, copy_project, runner, set_params

SMALL = {
    "sample__num_samples__keypoints": 150,
    "sample__num_samples__emotion": 250,
    "validate__max_invalid_fraction": 0.3,
    "prepare__keypoints__offline_augmentation__horizontal_flip": True,
    "prepare__keypoints__offline_augmentation__brightness": [1.5, 2.0],
    "prepare__emotion__offline_augmentation__horizontal_flip": True,
    "prepare__emotion__offline_augmentation__brightness": [1.5, 2.0],
    "keypoints__student__architecture__widths": [8, 8, 8],
    "keypoints__student__architecture__depths": [1, 1, 1],
    "keypoints__student__epochs": 2,
    "emotion__student__architecture__widths": [8, 8, 8],
    "emotion__student__epochs": 2,
    "evaluate__keypoints__corruption_samples": 8,
    "evaluate__emotion__flip_tta": True,
    "evaluate__emotion__corruption_samples": 8,
    "evaluate__emotion__pixel_baseline_rows": 100,
    **{f"gate__keypoints__{name}": 99.0 for name in ("max_nme", "max_rmse_px", "max_nme_ratio", "max_slice_nme")},
    "gate__keypoints__max_failure_rate": 1.0,
    "gate__keypoints__max_int8_nme_increase": 99.0,
    "gate__emotion__max_int8_accuracy_drop": 1.0,
    **{f"export__{model_name}__calibration_samples": 32 for model_name in params.MODELS},
    **{f"gate__emotion__{name}": 0.0 for name in ("min_accuracy", "min_macro_f1", "min_recall", "min_slice_accuracy")},
    "gate__emotion__max_ece": 1.0,
    "gate__emotion__min_skill_score": -9.0,
}
STAGES = [
    *("sample", "ingest", "validate", "explore", "report_tables"),
    *("prepare@keypoints", "prepare@emotion"),
    *(
        f"{stage}@{model_name}"
        for stage in ("prepare_unlabeled", "train_teacher", "predict_teacher")
        for model_name in ("keypoints", "emotion")
    ),
    *("train@keypoints", "train@emotion", "export@keypoints", "export@emotion"),
    *("evaluate@keypoints", "evaluate@emotion"),
    *("report@keypoints", "report@emotion", "gate", "score", "report_predictions"),
]

Repro = Callable[..., list[str]]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = copy_project(tmp_path_factory.mktemp("pipeline") / "project")
    set_params(project, **SMALL)
    return project


@pytest.fixture(scope="module")
def dvc(small: Path) -> Run:
    run = runner(small)

    def dvc(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        for stage in stages_run(small):
            (small / FOLDER / f"{stage}.json").unlink()
        return run("dvc", *command, **options)

    return dvc


def stages_run(project: Path) -> list[str]:
    """The stages that the last DVC command ran, in order: by their status files, not by what DVC prints."""
    return [path.stem for path in sorted((project / FOLDER).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)]


@pytest.fixture(scope="module")
def repro(small: Path, dvc: Run) -> Repro:
    """Runs `dvc repro` and returns the stages that it ran."""

    def repro(*targets: str) -> list[str]:
        dvc("repro", *targets)
        return stages_run(small)

    return repro


@pytest.fixture(scope="module")
def first(small: Path, dvc: Run) -> str:
    """Output of the first `dvc repro`, without an API."""
    done = dvc("repro")
    return done.stdout + done.stderr


def test_every_stage_runs_without_a_server(small: Path, first: str) -> None:
    assert sorted(stages_run(small)) == sorted(STAGES)
    assert first.count("no Prefect API is configured: running as plain functions") == len(STAGES)
    assert "Traceback" not in first


def test_predictions_have_one_row_per_face(small: Path, first: str) -> None:
    test = load_dataset(small / "data/prepared/emotion/test.npz")
    table = pd.read_parquet(small / "data/scored/predictions.parquet")
    classes = LABEL_ENCODINGS["course"]
    assert table["row"].tolist() == test.rows.tolist()
    assert set(table["emotion"]) <= set(classes)
    probabilities = table[[f"probability_{name}" for name in classes]]
    assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-4)
    assert (probabilities.max(axis=1) == table["confidence"]).all()
    assert table[list(COORDINATES)].to_numpy().min() > -0.5
    assert table[list(COORDINATES)].to_numpy().max() < 47.5
    assert set(table["source"]) == {"data/prepared/emotion/test.npz"}
    assert set(table["model_version"]) == {"workspace"}
    assert len(pd.read_csv(small / "data/scored/predictions.csv")) == len(table)
    assert pd.read_parquet(small / "data/scored/skipped.parquet").empty
    made = {"predictions.parquet", "predictions.csv", "skipped.parquet", "drift.json"}
    assert {path.name for path in (small / "data/scored").iterdir()} == made
    assert not (small / "data/scoring").exists()


def test_validation_and_test_contain_no_copies_and_splits_share_no_row(small: Path, first: str) -> None:
    for model_name in ("keypoints", "emotion"):
        folder = small / "data/prepared" / model_name
        splits = {name: load_dataset(folder / f"{name}.npz") for name in ("train", "validation", "test", "augmented")}
        assert set(splits["augmented"].augmentation_kind) == {"mirrored", "brightened"}
        assert set(splits["augmented"].rows) == set(splits["train"].rows)
        rows = [set(splits[name].rows.tolist()) for name in ("train", "validation", "test")]
        assert (
            sum(map(len, rows))
            == len(set.union(*rows))
            == len(pd.read_parquet(small / f"data/validated/{model_name}.parquet"))
        )
        assert all(set(splits[name].augmentation_kind) == {"original"} for name in ("train", "validation", "test"))


def test_the_model_folder_contains_the_models_only(small: Path, first: str) -> None:
    ends = ("float32.onnx", "int8.onnx", "keras")
    models = {f"{model_name}.{end}" for model_name in ("emotion", "keypoints") for end in ends}
    assert {path.name for path in (small / "models/trained").glob("*")} == models


def test_the_gate_result_names_the_models_by_hash(small: Path, first: str) -> None:
    gate_result = json.loads((small / "reports/gate.json").read_text())
    assert gate_result["passed"]
    for model in gate_result["models"].values():
        assert model["sha256"] == sha256(small / model["path"])


def test_a_second_repro_skips_everything(first: str, dvc: Run, repro: Repro) -> None:
    assert repro() == []
    assert json.loads(dvc("status", "--json").stdout) == {}


def test_a_stage_scored_again_by_hand_is_as_dvc_has_it(small: Path, first: str, dvc: Run) -> None:
    runner(small)("python", "-m", "flows", "run", "score")
    assert json.loads(dvc("status", "--json").stdout) == {}


def test_dvc_shows_metrics_plots_and_graph(small: Path, first: str, dvc: Run) -> None:
    shown = json.loads(dvc("metrics", "show", "--json").stdout)[""]["data"]
    emotion = shown["reports/metrics/emotion.json"]["data"]
    keypoints = shown["reports/metrics/keypoints.json"]["data"]
    assert {"accuracy", "macro_f1", "baseline_accuracy", "baseline_pixel_logistic_accuracy"} <= emotion.keys()
    assert {"nme", "rmse_px", "baseline_nme", "baseline_rmse_px"} <= keypoints.keys()
    for metrics, name in ((emotion, "accuracy"), (keypoints, "nme")):
        assert metrics[f"{name}_low"] < metrics[name] < metrics[f"{name}_high"]
        assert metrics["num_test_samples_with_train_duplicates"] == 0
        variant = "flip_tta" if metrics["flip_tta"] else "no_tta"
        assert metrics[f"without_train_duplicates_{name}"] == metrics[name] == metrics[f"{variant}_{name}"]
    assert emotion["temperature"] > 0
    assert emotion["uncalibrated_ece"] == emotion["flip_tta_ece"] != emotion["ece"]
    assert "train@emotion" in dvc("dag").stdout
    dvc("plots", "show")
    page = (small / "dvc_plots/index.html").read_text()
    assert all(word in page for word in ("val_loss", "confusion", "predictions.png", "robustness.png", "coverage"))
    figures = {path for folder in ("tables", *params.MODELS) for path in (small / "reports/figures" / folder).iterdir()}
    assert len(figures) == 8 + 12 + 13
    assert {str(path.relative_to(small)) for path in figures if str(path.relative_to(small)) not in page} == set()


def test_pull_restores_everything_that_was_pushed(small: Path, first: str, dvc: Run, repro: Repro) -> None:
    dvc("push")
    before = sha256(small / "models/trained/emotion.keras")
    for folder in ("models/trained", "models/teachers", "data", ".dvc/cache"):
        shutil.rmtree(small / folder)
    dvc("pull")
    assert sha256(small / "models/trained/emotion.keras") == before
    assert repro() == []


def test_a_setting_of_one_model_runs_the_stages_of_that_model(small: Path, first: str, repro: Repro) -> None:
    set_params(small, emotion__student__seed=2)
    # The seed is also that of the augmentation that teachers predict.
    own = [f"{stage}@emotion" for stage in ("predict_teacher", "train", "export", "evaluate", "report")]
    assert repro() == [*own, "gate", "score", "report_predictions"]


def test_another_precision_trains_and_exports_nothing(small: Path, first: str, repro: Repro) -> None:
    before = json.loads((small / "reports/gate.json").read_text())["models"]["emotion"]
    set_params(small, export__emotion__precision="float32")
    assert repro() == ["evaluate@emotion", "report@emotion", "gate", "score", "report_predictions"]
    after = json.loads((small / "reports/gate.json").read_text())["models"]["emotion"]
    assert (before["precision"], after["precision"]) == ("int8", "float32")
    assert before["exports"] == after["exports"]
    hashes = pd.read_parquet(small / "data/scored/predictions.parquet")["emotion_sha256"].unique().tolist()
    assert hashes == [after["exports"]["float32"]]
    set_params(small, export__emotion__precision="int8")
    repro()


def test_a_changed_figure_runs_the_reports_only(small: Path, first: str, dvc: Run) -> None:
    for path in ("faces/plots/face_grid.py", "tasks/plots/figure_files.py"):
        before = (small / path).read_text()
        (small / path).write_text(f"{before}\n# Another colour.\n")
        stale = set(json.loads(dvc("status", "--json").stdout))
        tables = {"report_tables"} if path.startswith("faces") else set()
        assert stale == {"report@keypoints", "report@emotion", "report_predictions"} | tables
        (small / path).write_text(before)


def test_the_same_seed_gives_the_same_bytes(small: Path, first: str, dvc: Run) -> None:
    before = {path.name: sha256(path) for path in (small / "models/trained").iterdir()}
    assert len(before) == 6
    stages = [f"{stage}@{model_name}" for stage in ("train", "export") for model_name in params.MODELS]
    dvc("repro", "--force", "--single-item", "--no-run-cache", *stages)
    assert {path.name: sha256(path) for path in (small / "models/trained").iterdir()} == before


def test_a_damaged_cache_is_named_and_the_remedy_restores_it(small: Path, first: str, dvc: Run, repro: Repro) -> None:
    """DVC trusts its cache: it checks the damaged copy out, and reports everything as up to date."""
    path = "data/prepared/emotion/test.npz"
    before = sha256(small / path)
    digest = hashlib.md5((small / path).read_bytes()).hexdigest()
    cached = small / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    cached.chmod(0o644)
    cached.write_bytes(b"\xff" * cached.stat().st_size)
    cached.chmod(0o444)
    (small / path).unlink()
    dvc("checkout", "--force")
    assert json.loads(dvc("status", "--json").stdout) == {}
    done = dvc("repro", "--force", "--single-item", "score", check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    remedy = re.search(rf"Remove (\S+) and {path}, then run .+ or `dvc (repro .+?)`", done.stderr)
    assert remedy, done.stderr
    assert small / remedy[1] == cached
    cached.unlink()
    (small / path).unlink()
    dvc(*remedy[2].split())
    assert sha256(small / path) == before
    dvc("repro")
    assert repro() == []


def test_a_failing_gate_stops_scoring_and_names_the_reason(small: Path, first: str, dvc: Run) -> None:
    set_params(small, gate__keypoints__max_nme=1e-6)
    done = dvc("repro", check=False)
    assert done.returncode != 0
    assert stages_run(small) == ["report@keypoints", "gate"]
    assert "FAILED" in done.stdout
    assert re.search(r"keypoints: NME is 0\.\d+ \(0\.\d+ to 0\.\d+\), must be at most 1e-06", done.stderr)
    assert not json.loads((small / "reports/gate.json").read_text())["passed"]
    scoring = runner(small)("python", "-m", "flows", "run", "score", check=False)
    assert scoring.returncode == 1
    assert "the gate did not let these models pass" in scoring.stderr
    set_params(small, gate__keypoints__max_nme=SMALL["gate__keypoints__max_nme"])
    dvc("repro")


def test_a_model_without_a_gate_result_is_not_used(small: Path, first: str, dvc: Run) -> None:
    model = small / "models/trained/emotion.int8.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.unlink()
    model.write_bytes(content)
    done = runner(small)("python", "-m", "flows", "run", "score", check=False)
    assert done.returncode == 1
    assert "models/trained/emotion.int8.onnx: not the model that reports/gate.json is about" in done.stderr
    dvc("checkout", "--force")
    runner(small)("python", "-m", "flows", "run", "score")


def test_scoring_uses_the_evaluated_classes_not_changed_settings(small: Path, first: str) -> None:
    before = pd.read_parquet(small / "data/scored/predictions.parquet")
    set_params(small, prepare__emotion__train_classes=["surprise", "happiness", "sad", "disgust", "anger"])
    runner(small)("python", "-m", "flows", "run", "score")
    pd.testing.assert_frame_equal(pd.read_parquet(small / "data/scored/predictions.parquet"), before)
    set_params(small, prepare__emotion__train_classes=["anger", "disgust", "sad", "happiness", "surprise"])


def test_errors_of_both_tables_are_reported(small: Path, first: str) -> None:
    set_params(small, validate__keypoints__min_rows=900, validate__emotion__min_rows=900)
    done = runner(small)("python", "-m", "flows", "run", "validate", check=False)
    assert done.returncode == 1
    assert "data/raw/keypoints.csv cannot be used:\n  fewer than 900 rows (150 found)" in done.stderr
    assert "data/raw/emotion.csv cannot be used:\n  fewer than 900 rows (250 found)" in done.stderr
    summary = json.loads((small / "reports/validation/summary.json").read_text())
    assert [summary[model_name]["valid"] for model_name in ("keypoints", "emotion")] == ["refused", "refused"]
    set_params(small, validate__keypoints__min_rows=50, validate__emotion__min_rows=50)
    runner(small)("dvc", "checkout", "--force")


def test_outputs_removed_before_a_failed_stage_can_be_restored(small: Path, first: str, dvc: Run, repro: Repro) -> None:
    before = sha256(small / "data/validated/emotion.parquet")
    set_params(small, validate__max_invalid_fraction=0.0)
    done = dvc("repro", check=False)
    assert done.returncode != 0
    assert "validate.max_invalid_fraction allows 0.0%" in done.stderr
    assert not (small / "data/validated/emotion.parquet").exists()
    set_params(small, validate__max_invalid_fraction=SMALL["validate__max_invalid_fraction"])
    remedy = re.search(r"`dvc (.+?)` restores the stage's previous outputs", done.stderr)
    assert remedy
    dvc(*remedy[1].split())
    assert sha256(small / "data/validated/emotion.parquet") == before
    assert repro() == []


def test_a_changed_source_runs_the_stages_that_depend_on_it(small: Path, first: str, dvc: Run, repro: Repro) -> None:
    source = small / "source.csv"
    shutil.copyfile(small / "data/sample/emotion.csv", source)
    set_params(small, ingest__emotion="source.csv")
    assert repro() == ["ingest"]
    lines = source.read_text().splitlines(keepends=True)
    source.write_text("".join(lines[:-1]))
    assert repro("prepare@emotion", "prepare@keypoints") == [
        "ingest",
        "validate",
        "prepare@emotion",
    ]
    set_params(small, ingest__emotion="data/sample/emotion.csv")
    dvc("repro")


def test_an_experiment_changes_one_setting(small: Path, first: str, dvc: Run) -> None:
    commit(small, "results of the first runs")
    dvc("exp", "run", "-S", "report_predictions.num_examples=4")
    assert stages_run(small) == ["report_predictions"]
    assert "reports/metrics/emotion.json" in dvc("metrics", "diff", "HEAD~1", "--all", "--json").stdout


def test_faces_are_scored_as_they_were_evaluated(small: Path, first: str) -> None:
    """The emotion with flip TTA and calibration, the keypoints without, as in SMALL."""
    from tasks.evaluation.predictions import load_predictions

    table = pd.read_parquet(small / "data/scored/predictions.parquet")
    evaluated = load_predictions(small / "data/predictions/emotion.npz")
    assert np.abs(evaluated.uncalibrated - evaluated.no_tta).max() > 1e-4
    assert np.abs(evaluated.predicted - evaluated.uncalibrated).max() > 1e-4
    probabilities = table[[f"probability_{name}" for name in LABEL_ENCODINGS["course"]]].to_numpy()
    np.testing.assert_allclose(probabilities, evaluated.predicted, atol=1e-5)
    approved = json.loads((small / "reports/gate.json").read_text())["models"]
    assert {model_name: model["flip_tta"] for model_name, model in approved.items()} == {
        "keypoints": False,
        "emotion": True,
    }
    assert approved["emotion"]["temperature"] == evaluated.temperature
    assert approved["keypoints"]["temperature"] == 1


def test_given_photographs_are_scored(small: Path, first: str, repro: Repro) -> None:
    faces, _ = draw_faces(np.random.default_rng(5), np.arange(3), 160, KEYPOINTS_FRAMING)
    scene = np.full((260, 700), 150, np.uint8)
    for number, face in enumerate(faces):
        scene[50:210, 40 + 220 * number : 200 + 220 * number] = face
    cv2.imwrite(str(small / "scene.png"), scene)
    cv2.imwrite(str(small / "empty.png"), np.full((300, 300), 90, np.uint8))
    run = runner(small)
    (small / "other.csv").write_text("1,2")
    run("python", "-m", "flows", "score", "scene.png", "empty.png", "other.csv", "--out", "scored", "--draw", "--csv")
    table = pd.read_csv(small / "scored/predictions.csv")
    assert table["source"].tolist() == ["scene.png"] * 3
    assert table["face"].tolist() == [1, 2, 3]
    assert set(table["emotion"]) <= set(LABEL_ENCODINGS["course"])
    schemas = [pq.read_schema(small / folder / "predictions.parquet") for folder in ("scored", "data/scored")]
    assert schemas[0].equals(schemas[1], check_metadata=True)
    points = table[list(COORDINATES)].to_numpy().reshape(-1, 15, 2)
    boxes = table[["box_x", "box_y", "box_size"]].to_numpy()
    assert (np.abs(points.mean(axis=1) - boxes[:, :2] - boxes[:, 2:] / 2) < boxes[:, 2:] / 2).all()
    written = {str(path.relative_to(small / "scored")) for path in (small / "scored").rglob("*") if path.is_file()}
    tables, drawn = {"predictions.parquet", "predictions.csv", "skipped.parquet"}, {"report.html", "faces.png"}
    assert written == tables | drawn | {"least-sure.png", "pictures/0001-scene.jpg", "drift.json", ".gitignore"}
    skipped = pd.read_parquet(small / "scored/skipped.parquet")
    assert skipped["source"].tolist() == ["empty.png", "other.csv"]
    assert repro() == []
    done = run("python", "-m", "flows", "score", "scene.png", "absent.jpg", "--out", "other", check=False)
    assert done.returncode == 1
    assert "absent.jpg: no such file" in done.stderr
    assert not (small / "other").exists()
    done = run("python", "-m", "flows", "score", "scene.png", "--out", "scored", check=False)
    assert "scored: exists already" in done.stderr
    assert "checkout" not in done.stderr
    run("python", "-m", "flows", "score", "--out", "other")
    batch, stage = (pd.read_parquet(small / folder / "predictions.parquet") for folder in ("other", "data/scored"))
    pd.testing.assert_frame_equal(batch, stage)
    assert repro() == []


def test_models_that_passed_the_gate_can_be_released_and_score_as_evaluated(small: Path, first: str) -> None:
    run = runner(small)
    release = ("python", "-m", "flows", "release", "trial")
    faces, _ = draw_faces(np.random.default_rng(6), np.arange(1), 160, KEYPOINTS_FRAMING)
    cv2.imwrite(str(small / "one.png"), cv2.copyMakeBorder(faces[0], *(60,) * 4, cv2.BORDER_CONSTANT, value=150))
    (small / "faces/one_more.py").write_text("")
    done = run(*release, check=False)
    assert "the code has uncommitted changes" in done.stderr
    assert "faces/one_more.py" in done.stderr
    (small / "faces/one_more.py").unlink()
    set_params(small, gate__emotion__min_accuracy=0.001)
    done = run(*release, check=False)
    assert re.search(r"\bgate\b.*: the files differ from what dvc.lock records", done.stderr)
    assert not (small / "models/trial").exists()
    set_params(small, gate__emotion__min_accuracy=0.0)
    run(*release)
    page = (small / "models/trial/README.md").read_text()
    accuracy = json.loads((small / "reports/metrics/emotion.json").read_text())["accuracy"]
    assert f"| accuracy | {accuracy:.3f} (" in page
    lock = YAML(typ="safe").load(small / "dvc.lock")["stages"]
    recorded = json.loads((small / "models/trial/provenance.json").read_text())["stages"]
    assert recorded == {name: lock[name] for name in recorded}
    unused = {"explore", "report_tables", "score", "report_predictions"}
    assert set(recorded) == set(lock) - unused
    for name in recorded:
        assert f"### {name}\n" in page
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=small, capture_output=True, check=True, text=True).stdout
    assert f"git checkout {head.strip()}" in page
    tables: list[pd.DataFrame] = []
    for model_set in ("workspace", "trial"):
        run("python", "-m", "flows", "score", "one.png", "--model-set", model_set, "--out", f"by-{model_set}")
        tables.append(pd.read_parquet(small / f"by-{model_set}/predictions.parquet"))
        assert set(tables[-1].pop("model_version")) == {model_set}
    pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)
    shutil.rmtree(small / "models/trial")


def test_a_bad_score_input_is_named(small: Path, first: str) -> None:
    run = runner(small)
    before = {path: sha256(path) for path in (small / "data/scored").iterdir()}
    for name, content, message in (
        ("empty.csv", b"", "the file is empty"),
        ("other.csv", b"a,b\n1,2\n", "no column holds pixels; found a, b"),
        ("short.npz", b"PK\x03\x04", "not a prepared split"),
    ):
        (small / name).write_bytes(content)
        set_params(small, score__input=name)
        done = run("python", "-m", "flows", "run", "score", check=False)
        assert done.returncode == 1
        assert f"{name}" in done.stderr
        assert message in done.stderr
        assert "nothing can be scored" in done.stderr
        assert "Traceback" not in done.stderr
        assert {path: sha256(path) for path in (small / "data/scored").iterdir()} == before
        assert not (small / "data/scoring").exists()


def test_a_table_can_be_the_score_input(small: Path, first: str, repro: Repro) -> None:
    set_params(small, score__input="data/sample/keypoints.csv")
    assert repro() == ["score", "report_predictions"]
    table = pd.read_parquet(small / "data/scored/predictions.parquet")
    assert 100 < len(table) < 150
    # In pixels of the 96x96 faces, not of the emotion model's 48x48 input.
    assert 40 < table["nose_tip_y"].mean() < 70
    rows = len(pd.read_csv(small / "data/sample/keypoints.csv"))
    assert len(table) + len(pd.read_parquet(small / "data/scored/skipped.parquet")) == rows
