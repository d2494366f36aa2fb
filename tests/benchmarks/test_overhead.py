"""The benchmark of overhead: one stage by plain functions and by DVC, each in a separate clone, and again by DVC."""

import re
import subprocess
from pathlib import Path

import pytest

import params
from benchmarks.overhead import WAYS, Api, Cost, clone_of, cost_of, main, table_rows
from tests.conftest import ROOT


def test_the_command_shows_both_ways_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--rows", "100", "--ways", "plain", "dvc", "--targets", "sample"])
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.strip() == "100 rows per table, 2 epochs"
    rows = [[cell.strip() for cell in line[1:-1].split("│")] for line in lines if line.startswith("│")]
    assert [row[0] for row in rows] == [WAYS["plain"].name, WAYS["dvc"].name]
    assert rows[0][2:] == ["1.00", "", ""]
    assert all(re.fullmatch(r"\d+\.\d+", cell) for cell in rows[1][1:])
    assert rows[1][4] == "1.00"


def test_a_clone_has_small_settings_and_no_lock(tmp_path: Path) -> None:
    project = clone_of(tmp_path / "clone", 123, 4)
    settings = params.load(project)
    assert settings.sample.num_samples == params.NumSamples(keypoints=123, emotion=123)
    assert settings.recipe.emotion.student.epochs == 4
    assert not (project / "dvc.lock").exists()
    command = ["git", "rev-parse", "HEAD"]
    assert subprocess.check_output(command, cwd=project) == subprocess.check_output(command, cwd=ROOT)


def test_a_failed_command_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/__main__.py").write_text("raise SystemExit('broken')")
    with pytest.raises(SystemExit, match=r"-m flows pipeline explore failed:\nbroken"):
        cost_of(WAYS["pipeline"], ["explore"], tmp_path, Api())


def test_rows_by_hand() -> None:
    costs = {"plain": Cost(4.0, None), "dvc": Cost(6.0, 2.0), "pipeline": Cost(5.0, 3.0)}
    assert table_rows(costs) == [
        ["plain functions, one process", "4.0", "1.00", "", ""],
        ["dvc repro, no API", "6.0", "1.50", "2.0", "1.00"],
        ["pipeline", "5.0", "1.25", "3.0", "1.50"],
    ]
    assert table_rows({"pipeline": Cost(5.0, 3.0)}) == [["pipeline", "5.0", "", "3.0", ""]]
