"""The whole way on a small project: `dvc repro` without a server, then what users do to it. Tests run in order."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from faces.common.schema import COORDINATES, LABEL_SETS
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.common.dataset import load_part
from tasks.common.files import sha256
from tests.conftest import Run, commit, copy_project, runner, set_params

SMALL = {
    "sample__keypoints_rows": 150,
    "sample__emotion_rows": 250,
    "validate__max_quarantined": 0.3,
    "prepare__keypoints__augment__mirror": True,
    "prepare__keypoints__augment__brightness": [1.5, 2.0],
    "prepare__emotion__augment__mirror": True,
    "prepare__emotion__augment__brightness": [1.5, 2.0],
    "train__sample__keypoints__network__widths": [8, 8, 8],
    "train__sample__keypoints__network__depths": [1, 1, 1],
    "train__sample__keypoints__descent__epochs": 2,
    "train__sample__emotion__network__widths": [8, 8, 8],
    "train__sample__emotion__descent__epochs": 2,
    "evaluate__keypoints__robustness_faces": 8,
    "evaluate__emotion__flip_averaging": True,
    "evaluate__emotion__robustness_faces": 8,
    "evaluate__emotion__pixel_baseline_rows": 100,
    **{
        f"gate__keypoints__{name}": 99.0
        for name in ("max_nme", "max_rmse_px", "max_share_of_baseline", "max_slice_nme")
    },
    "gate__keypoints__max_failure_rate": 1.0,
    **{f"gate__emotion__{name}": 0.0 for name in ("min_accuracy", "min_macro_f1", "min_recall", "min_slice_accuracy")},
    "gate__emotion__max_ece": 1.0,
    "gate__emotion__min_share_of_gap": -9.0,
}
STAGES = [
    *("sample", "ingest", "validate", "explore", "prepare@keypoints", "prepare@emotion"),
    *("train@keypoints", "train@emotion", "evaluate@keypoints", "evaluate@emotion", "gate", "score"),
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = copy_project(tmp_path_factory.mktemp("pipeline") / "project")
    set_params(project, **SMALL)
    return project


@pytest.fixture(scope="module")
def dvc(small: Path) -> Run:
    run = runner(small)
    return lambda *command, **options: run("dvc", *command, **options)


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(.+)'", output)


@pytest.fixture(scope="module")
def first(small: Path, dvc: Run) -> str:
    """Output of the first `dvc repro`, no API configured."""
    done = dvc("repro")
    return done.stdout + done.stderr


def test_every_stage_runs_without_a_server(small: Path, first: str) -> None:
    assert sorted(stages_run(first)) == sorted(STAGES)
    assert first.count("no Prefect API is configured: running as plain functions") == len(STAGES)
    assert "Traceback" not in first


def test_predictions_are_one_row_a_face(small: Path, first: str) -> None:
    faces = load_part(small / "data/prepared/emotion/test.npz")
    table = pd.read_parquet(small / "data/scored/predictions.parquet")
    classes = LABEL_SETS["course"]
    assert table["row"].tolist() == faces.rows.tolist()
    assert set(table["emotion"]) <= set(classes)
    probabilities = table[[f"probability_{name}" for name in classes]]
    assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-4)
    assert (probabilities.max(axis=1) == table["confidence"]).all()
    assert table[list(COORDINATES)].to_numpy().min() > -0.5
    assert table[list(COORDINATES)].to_numpy().max() < 47.5
    assert len(pd.read_csv(small / "data/scored/predictions.csv")) == len(table)


def test_no_copy_stands_in_validation_or_test_and_parts_share_no_row(small: Path, first: str) -> None:
    for head in ("keypoints", "emotion"):
        folder = small / "data/prepared" / head
        parts = {name: load_part(folder / f"{name}.npz") for name in ("train", "validation", "test", "augmented")}
        assert set(parts["augmented"].kinds) == {"mirrored", "brightened"}
        assert set(parts["augmented"].rows) == set(parts["train"].rows)
        rows = [set(parts[name].rows.tolist()) for name in ("train", "validation", "test")]
        assert (
            sum(map(len, rows)) == len(set.union(*rows)) == len(pd.read_parquet(small / f"data/valid/{head}.parquet"))
        )
        assert all(set(parts[name].kinds) == {"original"} for name in ("train", "validation", "test"))


def test_nothing_lies_beside_the_models(small: Path, first: str) -> None:
    assert {path.name for path in (small / "models/trained").glob("*")} == {"emotion.keras", "keypoints.keras"}


def test_the_verdict_names_the_models_by_hash(small: Path, first: str) -> None:
    verdict = json.loads((small / "reports/verdict.json").read_text())
    assert verdict["passed"]
    for model in verdict["models"].values():
        assert model["sha256"] == sha256(small / model["path"])


def test_a_second_repro_skips_everything(first: str, dvc: Run) -> None:
    done = dvc("repro")
    assert stages_run(done.stdout) == []
    assert "Data and pipelines are up to date" in done.stdout


def test_dvc_shows_metrics_plots_and_graph(small: Path, first: str, dvc: Run) -> None:
    metrics = json.loads(dvc("metrics", "show", "--json").stdout)[""]["data"]
    emotion = metrics["reports/metrics/emotion.json"]["data"]
    keypoints = metrics["reports/metrics/keypoints.json"]["data"]
    assert {"accuracy", "macro_f1", "baseline_accuracy", "baseline_pixel_logistic_accuracy"} <= emotion.keys()
    assert {"nme", "rmse_px", "baseline_nme", "baseline_rmse_px"} <= keypoints.keys()
    for figures, name in ((emotion, "accuracy"), (keypoints, "nme")):
        assert figures[f"{name}_low"] < figures[name] < figures[f"{name}_high"]
        assert figures["test_rows_with_duplicates"] == 0
        variant = "flip_averaged" if figures["flip_averaging"] else "plain"
        assert figures[f"without_duplicates_{name}"] == figures[name] == figures[f"{variant}_{name}"]
    assert emotion["temperature"] > 0
    assert emotion["uncalibrated_ece"] == emotion["flip_averaged_ece"] != emotion["ece"]
    assert "train@emotion" in dvc("dag").stdout
    dvc("plots", "show")
    page = (small / "dvc_plots/index.html").read_text()
    assert all(word in page for word in ("val_loss", "confusion", "predictions.png", "robustness.png", "coverage"))


def test_push_and_pull_bring_everything_back(small: Path, first: str, dvc: Run) -> None:
    dvc("push")
    before = sha256(small / "models/trained/emotion.keras")
    for folder in ("models", "data", ".dvc/cache"):
        shutil.rmtree(small / folder)
    dvc("pull")
    assert sha256(small / "models/trained/emotion.keras") == before
    assert stages_run(dvc("repro").stdout) == []


def test_one_head_s_parameter_runs_one_lane(small: Path, first: str, dvc: Run) -> None:
    set_params(small, train__sample__emotion__seed=2)
    assert stages_run(dvc("repro").stdout) == ["train@emotion", "evaluate@emotion", "gate", "score"]


def test_the_same_seed_gives_the_same_bytes(small: Path, first: str, dvc: Run) -> None:
    before = {head: sha256(small / f"models/trained/{head}.keras") for head in ("keypoints", "emotion")}
    dvc("repro", "--force", "--single-item", "--no-run-cache", "train@keypoints", "train@emotion")
    assert {head: sha256(small / f"models/trained/{head}.keras") for head in before} == before


def test_a_damaged_cache_is_named_and_the_remedy_restores_it(small: Path, first: str, dvc: Run) -> None:
    """DVC trusts what its cache holds: it checks the damaged copy out, and calls everything up to date."""
    path = "data/prepared/emotion/test.npz"
    before = sha256(small / path)
    digest = hashlib.md5((small / path).read_bytes()).hexdigest()
    cached = small / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    cached.chmod(0o644)
    cached.write_bytes(b"\xff" * cached.stat().st_size)
    cached.chmod(0o444)
    (small / path).unlink()
    dvc("checkout", "--force")
    assert "up to date" in dvc("status").stdout
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
    assert stages_run(dvc("repro").stdout) == []


def test_a_failing_gate_stops_the_score_and_says_why(small: Path, first: str, dvc: Run) -> None:
    set_params(small, gate__keypoints__max_nme=1e-6)
    done = dvc("repro", check=False)
    assert done.returncode != 0
    assert stages_run(done.stdout) == ["gate"]
    assert "FAILED" in done.stdout
    assert re.search(r"keypoints: NME is 0\.\d+ \(0\.\d+ to 0\.\d+\), must be at most 1e-06", done.stderr)
    assert not json.loads((small / "reports/verdict.json").read_text())["passed"]
    direct = runner(small)("python", "-m", "flows.score", check=False)
    assert direct.returncode == 1
    assert "the gate did not let these networks pass" in direct.stderr
    set_params(small, gate__keypoints__max_nme=SMALL["gate__keypoints__max_nme"])
    dvc("repro")


def test_a_model_that_the_verdict_does_not_name_is_not_used(small: Path, first: str, dvc: Run) -> None:
    model = small / "models/trained/emotion.keras"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.unlink()
    model.write_bytes(content)
    done = runner(small)("python", "-m", "flows.score", check=False)
    assert done.returncode == 1
    assert "models/trained/emotion.keras: not the network that reports/verdict.json is about" in done.stderr
    dvc("checkout", "--force")
    runner(small)("python", "-m", "flows.score")


def test_classes_are_those_that_were_judged_not_those_set_since(small: Path, first: str) -> None:
    before = pd.read_parquet(small / "data/scored/predictions.parquet")
    set_params(small, prepare__emotion__classes=["surprise", "happiness", "sad", "disgust", "anger"])
    runner(small)("python", "-m", "flows.score")
    pd.testing.assert_frame_equal(pd.read_parquet(small / "data/scored/predictions.parquet"), before)
    set_params(small, prepare__emotion__classes=["anger", "disgust", "sad", "happiness", "surprise"])


def test_what_is_wrong_with_either_table_is_said(small: Path, first: str) -> None:
    set_params(small, validate__keypoints__min_rows=900, validate__emotion__min_rows=900)
    done = runner(small)("python", "-m", "flows.validate", check=False)
    assert done.returncode == 1
    assert "data/raw/keypoints.csv cannot be used:\n  fewer than 900 rows (150 found)" in done.stderr
    assert "data/raw/emotion.csv cannot be used:\n  fewer than 900 rows (250 found)" in done.stderr
    summary = json.loads((small / "reports/validation/summary.json").read_text())
    assert [summary[head]["valid"] for head in ("keypoints", "emotion")] == ["refused", "refused"]
    set_params(small, validate__keypoints__min_rows=50, validate__emotion__min_rows=50)
    runner(small)("dvc", "checkout", "--force")


def test_what_a_failed_stage_had_before_comes_back(small: Path, first: str, dvc: Run) -> None:
    before = sha256(small / "data/valid/emotion.parquet")
    set_params(small, validate__max_quarantined=0.0)
    done = dvc("repro", check=False)
    assert done.returncode != 0
    assert "validate.max_quarantined allows 0.0%" in done.stderr
    assert not (small / "data/valid/emotion.parquet").exists()
    set_params(small, validate__max_quarantined=SMALL["validate__max_quarantined"])
    remedy = re.search(r"comes back with `dvc (.+?)`", done.stderr)
    assert remedy
    dvc(*remedy[1].split())
    assert sha256(small / "data/valid/emotion.parquet") == before
    assert stages_run(dvc("repro").stdout) == []


def test_changed_bytes_of_a_source_run_what_depends_on_it(small: Path, first: str, dvc: Run) -> None:
    mine = small / "mine.csv"
    shutil.copyfile(small / "data/sample/emotion.csv", mine)
    set_params(small, ingest__emotion="mine.csv")
    assert stages_run(dvc("repro").stdout) == ["ingest"]
    lines = mine.read_text().splitlines(keepends=True)
    mine.write_text("".join(lines[:-1]))
    assert stages_run(dvc("repro", "prepare@emotion", "prepare@keypoints").stdout) == [
        "ingest",
        "validate",
        "prepare@emotion",
    ]
    set_params(small, ingest__emotion="data/sample/emotion.csv")
    dvc("repro")


def test_an_experiment_changes_one_setting(small: Path, first: str, dvc: Run) -> None:
    commit(small, "outcome of the first runs")
    done = dvc("exp", "run", "-S", "score.faces_drawn=4")
    assert stages_run(done.stdout) == ["score"]
    assert "reports/metrics/emotion.json" in dvc("metrics", "diff", "HEAD~1", "--all", "--json").stdout


def test_faces_are_scored_as_they_were_judged(small: Path, first: str) -> None:
    """The emotion by both mirror images and tempered, the points by one, as SMALL has it."""
    from tasks.evaluation.predictions import load_evaluated

    table = pd.read_parquet(small / "data/scored/predictions.parquet")
    judged = load_evaluated(small / "data/evaluated/emotion.npz")
    assert np.abs(judged.untempered - judged.plain).max() > 1e-4
    assert np.abs(judged.predicted - judged.untempered).max() > 1e-4
    probabilities = table[[f"probability_{name}" for name in LABEL_SETS["course"]]].to_numpy()
    np.testing.assert_allclose(probabilities, judged.predicted, atol=1e-5)
    named = json.loads((small / "reports/verdict.json").read_text())["models"]
    assert {head: model["flip_averaging"] for head, model in named.items()} == {"keypoints": False, "emotion": True}
    assert named["emotion"]["temperature"] == judged.temperature
    assert named["keypoints"]["temperature"] == 1


def test_photographs_are_scored_by_hand(small: Path, first: str, dvc: Run) -> None:
    faces, _ = draw_faces(np.random.default_rng(5), np.arange(3), 160, KEYPOINTS_FRAMING)
    scene = np.full((260, 700), 150, np.uint8)
    for number, face in enumerate(faces):
        scene[50:210, 40 + 220 * number : 200 + 220 * number] = face
    cv2.imwrite(str(small / "scene.png"), scene)
    cv2.imwrite(str(small / "empty.png"), np.full((300, 300), 90, np.uint8))
    run = runner(small)
    (small / "mine.csv").write_text("1,2")
    run("python", "-m", "flows.score", "scene.png", "empty.png", "mine.csv", "--out", "scored", "--draw", "--csv")
    table = pd.read_csv(small / "scored/predictions.csv")
    assert table["source"].tolist() == ["scene.png"] * 3
    assert table["face"].tolist() == [1, 2, 3]
    assert set(table["emotion"]) <= set(LABEL_SETS["course"])
    points = table[list(COORDINATES)].to_numpy().reshape(-1, 15, 2)
    squares = table[["left", "top", "side"]].to_numpy()
    assert (np.abs(points.mean(axis=1) - squares[:, :2] - squares[:, 2:] / 2) < squares[:, 2:] / 2).all()
    made = {str(path.relative_to(small / "scored")) for path in (small / "scored").rglob("*") if path.is_file()}
    tables, drawn = {"predictions.parquet", "predictions.csv", "skipped.parquet"}, {"page.html", "faces.png"}
    assert made == tables | drawn | {"least-sure.png", "pictures/0001-scene.png", "drift.json", ".gitignore"}
    skipped = pd.read_parquet(small / "scored/skipped.parquet")
    assert skipped["source"].tolist() == ["empty.png", "mine.csv"]
    assert stages_run(dvc("repro").stdout) == []
    done = run("python", "-m", "flows.score", "scene.png", "absent.jpg", "--out", "other", check=False)
    assert done.returncode == 1
    assert "absent.jpg: there is no such file" in done.stderr
    assert not (small / "other").exists()
    done = run("python", "-m", "flows.score", "scene.png", "--out", "scored", check=False)
    assert "scored: is there already" in done.stderr
    assert "checkout" not in done.stderr
    done = run("python", "-m", "flows.score", "--out", "other", check=False)
    assert "--out is for sources of your own and for other --models" in done.stderr


def test_what_passed_the_gate_can_be_released_and_is_used_as_it_was_judged(small: Path, first: str) -> None:
    run = runner(small)
    for folder in ("models/released", "docs/released"):
        shutil.rmtree(small / folder, ignore_errors=True)
    faces, _ = draw_faces(np.random.default_rng(6), np.arange(1), 160, KEYPOINTS_FRAMING)
    cv2.imwrite(str(small / "one.png"), cv2.copyMakeBorder(faces[0], *(60,) * 4, cv2.BORDER_CONSTANT, value=150))
    (small / "faces/one_more.py").write_text("")
    subprocess.run(["git", "add", "--intent-to-add", "faces/one_more.py"], cwd=small, check=True)
    done = run("python", "-m", "benchmarks.release", ".", check=False)
    assert "changed since its revision, so nobody could make these again: ['faces/one_more.py']" in done.stderr
    assert not (small / "models/released").exists()
    subprocess.run(["git", "rm", "--cached", "-q", "faces/one_more.py"], cwd=small, check=True)
    (small / "faces/one_more.py").unlink()
    set_params(small, gate__emotion__min_accuracy=0.001)
    done = run("python", "-m", "benchmarks.release", ".", check=False)
    assert "what is on disk is not what `dvc repro` would leave" in done.stderr
    set_params(small, gate__emotion__min_accuracy=0.0)
    run("python", "-m", "benchmarks.release", ".")
    named = sorted(path.name for path in (small / "models/released").iterdir())
    assert named == ["README.md", "emotion.keras", "keypoints.keras", "verdict.json"]
    untracked = ["git", "status", "--short", "--untracked-files=all", "models"]
    shown = subprocess.run(untracked, cwd=small, capture_output=True, check=True, text=True).stdout
    assert [line.split("/")[-1] for line in shown.splitlines()] == named
    page = (small / "models/released/README.md").read_text()
    accuracy = json.loads((small / "reports/metrics/emotion.json").read_text())["accuracy"]
    assert f"| accuracy | {accuracy:.3f} (" in page
    assert all(sha256(small / f"models/trained/{head}.keras") in page for head in ("keypoints", "emotion"))
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=small, capture_output=True, check=True, text=True).stdout
    assert f"Revision {head.strip()}" in page
    charts = set(re.findall(r"\((released/.+\.png)\)", (small / "docs/released.md").read_text()))
    assert charts == {f"released/{path.name}" for path in (small / "docs/released").glob("*.png")}
    assert not [chart for chart in charts if re.search("faces|worst|corruptions", chart)]
    (small / "origin.md").write_text("Drawn by hand.\n")
    run("python", "-m", "benchmarks.release", ".", "--name", "fast", "--origin", "origin.md")
    other = (small / "models/fast/README.md").read_text()
    assert "## How to make them\n\nDrawn by hand.\n\nRevision" in other
    assert "## How to make them\n\n`dvc repro` on those data sets.\n\nRevision" in page
    assert "--models fast" in other
    assert "docs/fast.md" in other
    tables: list[pd.DataFrame] = []
    for models in ("workspace", "released", "fast"):
        run("python", "-m", "flows.score", "one.png", "--models", models, "--out", f"by-{models}")
        tables.append(pd.read_parquet(small / f"by-{models}/predictions.parquet"))
        assert set(tables[-1].pop("version")) == {models}
    for table in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], table, check_exact=True)
    for folder in ("models/released", "models/fast", "docs/fast"):
        shutil.rmtree(small / folder)
    (small / "origin.md").unlink()


def test_a_bad_score_input_is_named(small: Path, first: str) -> None:
    run = runner(small)
    for name, content, message in (
        ("empty.csv", b"", "the file is empty"),
        ("other.csv", b"a,b\n1,2\n", "neither a column pixels"),
        ("short.npz", b"PK\x03\x04", "not a file of prepared faces"),
    ):
        (small / name).write_bytes(content)
        set_params(small, score__input=name)
        done = run("python", "-m", "flows.score", check=False)
        assert done.returncode == 1
        assert f"{name}" in done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_score_input_of_one_s_own(small: Path, first: str, dvc: Run) -> None:
    set_params(small, score__input="data/sample/keypoints.csv")
    assert stages_run(dvc("repro").stdout) == ["score"]
    table = pd.read_parquet(small / "data/scored/predictions.parquet")
    assert 100 < len(table) < 150
    # In the pixels of 96x96 faces, not of the 48x48 that the emotion network sees.
    assert 40 < table["nose_tip_y"].mean() < 70
