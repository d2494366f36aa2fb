"""The benchmark of leakage: seen and unseen test faces are distinguished, with a leaky and a group split."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.leakage import leakage_table, main
from tasks.common.dataset import FaceDataset, save_dataset
from tasks.evaluation.predictions import Predictions, save_predictions
from tests.tiny import CLASSES, MODELS, part

FACES = 6
SEEN = np.array([True, True, False, False, False, True])
KINDS = np.array(["original", "mirrored"])[np.arange(FACES) % 2]


def splits(model_name: str, strategy: str) -> tuple[FaceDataset, FaceDataset]:
    """Test and training split; with `random`, the groups of half of the test faces are in the training split."""
    test = replace(part(model_name, FACES), strategy=np.array(strategy), groups=100 + np.arange(FACES))
    train = replace(part(model_name, 12), groups=np.arange(12))
    if strategy == "group":
        return test, train
    return replace(test, augmentation_kind=KINDS), replace(train, groups=np.r_[test.groups[SEEN], np.arange(9)])


def outputs(model_name: str, test: FaceDataset) -> np.ndarray:
    """Correct for the first three emotions; one pixel to the right of every point."""
    if model_name == "keypoints":
        return np.nan_to_num(test.targets) + np.array([1, 0], np.float32)
    predicted = np.where(np.arange(FACES) < 3, test.targets, (test.targets + 1) % CLASSES)
    return np.eye(CLASSES)[predicted]


def written(project: Path, model_name: str, strategy: str) -> tuple[FaceDataset, FaceDataset]:
    """Write the prepared data and predictions of a project; returns test and training split."""
    test, train = splits(model_name, strategy)
    for name, dataset in (("test", test), ("train", train)):
        save_dataset(project / f"data/prepared/{model_name}/{name}.npz", dataset)
    predicted = outputs(model_name, test)
    predictions = Predictions(
        predicted, predicted, np.array(False), np.array(1.0), test.rows, np.array("int8"), predicted
    )
    save_predictions(project / f"data/predictions/{model_name}.npz", predictions)
    return test, train


def rows(strategy: str) -> dict[str, dict]:
    """Rows of the emotion's table by kind."""
    test, train = splits("emotion", strategy)
    table = leakage_table(test, train, outputs("emotion", test)).to_dict("records")
    return {str(row["kind"]): row for row in table}


def test_no_face_is_seen_with_a_group_split() -> None:
    table = rows("group")
    assert list(table) == ["all", "original"]
    for row in table.values():
        assert (row["faces"], row["seen_fraction"]) == (FACES, 0)
        assert row["all"] == row["unseen"] == 0.5
        assert np.isnan([row["seen"], row["seen_interval"]]).all()


def test_seen_and_unseen_faces_by_hand() -> None:
    """Faces 0, 1 and 5 are seen, 0, 1 and 2 are correct, and 0, 2 and 4 are originals."""
    table = rows("random")
    assert {kind: row["faces"] for kind, row in table.items()} == {"all": 6, "original": 3, "mirrored": 3}
    assert [row["seen_fraction"] for row in table.values()] == pytest.approx([1 / 2, 1 / 3, 2 / 3])
    assert [row["all"] for row in table.values()] == pytest.approx([1 / 2, 2 / 3, 1 / 3])
    every, interval = table["all"], 1.96 * np.std([1, 1, 0], ddof=1) / np.sqrt(3)
    assert (every["seen"], every["unseen"]) == pytest.approx((2 / 3, 1 / 3))
    assert (every["seen_interval"], every["unseen_interval"]) == pytest.approx((interval, interval))
    assert np.isnan(table["original"]["seen"]), "one face has no interval"
    assert table["original"]["unseen"] == table["mirrored"]["seen"] == 0.5


@pytest.mark.parametrize("strategy", ["group", "random"])
@pytest.mark.parametrize("model_name", MODELS)
def test_the_command_reads_the_outputs_of_the_stages(
    model_name: str, strategy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test, train = written(tmp_path, model_name, strategy)
    main([model_name, "--project", str(tmp_path)])
    shown = capsys.readouterr().out
    assert f"{strategy} split" in shown
    assert ("[LEAKS: random split]" in shown) == (strategy == "random")
    every = leakage_table(test, train, outputs(model_name, test)).iloc[0]
    assert every["all"] > 0
    row = next(line for line in shown.splitlines() if line.startswith("│ all"))
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[:3] == ["all", str(FACES), "0.0%" if strategy == "group" else "50.0%"]
    assert cells[3] == f"{every['all']:.4f} ± {every['all_interval']:.4f}"
    assert (cells[4] == "-") == (strategy == "group")


def test_missing_predictions_and_those_of_another_split_are_errors(tmp_path: Path) -> None:
    test, _ = written(tmp_path, "emotion", "random")
    save_dataset(tmp_path / "data/prepared/emotion/test.npz", test[:4])
    with pytest.raises(
        SystemExit, match=r"emotion\.npz: predictions of other faces .* run `dvc repro evaluate@emotion`"
    ):
        main(["emotion", "--project", str(tmp_path)])
    (tmp_path / "data/predictions/emotion.npz").unlink()
    with pytest.raises(SystemExit, match=r"emotion\.npz: there are no predictions; run `dvc repro evaluate@emotion`"):
        main(["emotion", "--project", str(tmp_path)])
