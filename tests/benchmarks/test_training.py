"""The benchmark of training: recipes train on the same few faces, to a target accuracy or to the last step."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.training import Evaluation, Result, main, shortened, table_row, train_until
from tasks.common.dataset import save_dataset
from tests.conftest import ROOT
from tests.tiny import CONSTANTS, part

FACES = 192
"""Three batches of each recipe."""


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(ROOT)
    for split, num_faces in (("train", FACES), ("validation", 20)):
        save_dataset(tmp_path / f"{split}.npz", part("emotion", num_faces))
    (tmp_path / "normalization.json").write_text(json.dumps(CONSTANTS))
    return tmp_path


@pytest.mark.parametrize("recipe", ["sample", "original"])
def test_a_recipe_is_evaluated_at_the_given_interval_and_at_its_end(recipe: str, prepared: Path) -> None:
    reported: list[Evaluation] = []
    result = train_until(shortened(recipe, 1), prepared, 1.01, 128, reported.append)
    assert [one.num_faces for one in result.curve] == [128, 192]
    assert reported == result.curve
    seconds = [one.seconds for one in result.curve]
    assert 0 < seconds[0] < seconds[1]
    assert all(round(20 * one.accuracy, 6).is_integer() for one in result.curve)
    assert result.parameters > 10_000
    assert np.isfinite(result.peak_mb)


def test_training_ends_at_the_target(prepared: Path) -> None:
    assert [one.num_faces for one in train_until(shortened("sample", 1), prepared, 0.0, 64).curve] == [64]


def test_the_command_shows_each_recipe(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--prepared", str(prepared), "--epochs", "1", "--target", "0.0", "--recipes", "sample"])
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.strip() == "Training to a validation accuracy of 0%"
    _, cells = [[cell.strip() for cell in line[1:-1].split(line[0])] for line in lines if line[0] in "┃│"]
    assert (cells[0], cells[4]) == ("sample", "192")
    assert all(float(cell.replace(",", "")) >= 0 for cell in cells[1:])


def test_a_row_shows_the_last_evaluation() -> None:
    result = Result(1234567, [Evaluation(1.0, 50, 0.2), Evaluation(4.0, 200, 0.5)], 77.7)
    assert table_row("quick", result) == ["quick", "1,234,567", "50", "4.0", "200", "0.500", "78"]
