"""Each distinct evaluation on a test split is counted once; the validation split is evaluated elsewhere, uncounted."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import flows.stages.evaluate
import params
from flows.stages.evaluate import evaluate
from tasks.common.files import sha256
from tasks.evaluation.openings import REPORT, record_opening
from tests.conftest import copy_settings, set_params


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("test.npz", "other.npz", "a.onnx", "b.onnx"):
        Path(name).write_bytes(name.encode())


def test_the_same_bytes_are_counted_once() -> None:
    test, first, second = Path("test.npz"), Path("a.onnx"), Path("b.onnx")
    assert record_opening("emotion", test, "quick", first) == 1
    before = REPORT.read_bytes()
    assert record_opening("emotion", test, "quick", first) == 1
    assert REPORT.read_bytes() == before
    assert record_opening("emotion", test, "full", first) == 2
    assert record_opening("emotion", test, "full", second) == 3
    # Another test split starts again.
    assert record_opening("keypoints", Path("other.npz"), "full", second) == 1
    entries = json.loads(REPORT.read_text())
    assert len(entries) == 4
    assert entries[0] == {
        "model": "emotion",
        "test_sha256": sha256(test),
        "recipe": "quick",
        "export_sha256": sha256(first),
    }


def test_evaluations_at_the_same_time_are_all_counted() -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: record_opening("emotion", Path("test.npz"), f"recipe {k}", Path("a.onnx")), range(20)))
    assert {one["recipe"] for one in json.loads(REPORT.read_text())} == {f"recipe {k}" for k in range(20)}


@pytest.mark.parametrize(
    ("dataset", "split", "opened"),
    [("fer2013", "test", True), ("fer2013", "validation", False), ("sample", "test", False)],
)
@pytest.mark.parametrize("model_name", params.MODELS)
def test_only_an_evaluation_on_test_faces_of_real_data_is_counted(
    model_name: params.ModelName,
    dataset: str,
    split: str,
    opened: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy_settings(tmp_path)
    set_params(tmp_path, dataset=dataset)
    prepared, models = Path("data/prepared", model_name), Path("models/trained")
    for place in (prepared, models):
        place.mkdir(parents=True)
    (prepared / "test.npz").write_bytes(b"test")
    (models / f"{model_name}.int8.onnx").write_bytes(b"int8")
    written: dict[str, tuple] = {}
    tasks = ("predict_split", "evaluate_keypoints", "evaluate_emotion", "evaluate_slices", "write_curves")
    for name in (*tasks, "write_drift_reference", "measure_robustness"):
        monkeypatch.setattr(
            flows.stages.evaluate, name, lambda *arguments, name=name: written.update({name: arguments})
        )
    evaluate(params.load(), model_name, split)
    assert REPORT.exists() == opened
    paths = {str(one) for arguments in written.values() for one in arguments if isinstance(one, Path)}
    outputs = {path for path in paths if path.startswith(("reports", "data/predictions"))}
    folder = f"reports/evaluate_validation/{model_name}"
    if split == "validation":
        files = ("metrics.json", "predictions.npz", "calibration.json")
        assert outputs == {folder, *(f"{folder}/{name}" for name in files)}
        assert {arguments[-1] for arguments in written.values()} == {"validation"}
        assert "measure_robustness" not in written
    else:
        assert not any(path.startswith(folder) for path in outputs)
        assert "measure_robustness" in written
