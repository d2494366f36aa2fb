"""The benchmark of members: metrics of each member of a saved ensemble and of the ensemble, on the given split."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.members import main, measure, table_rows
from faces.models.ensemble import ensemble
from tasks.common.dataset import save_dataset
from tasks.models.keras_files import save_model
from tasks.training.builders import build_model
from tests.conftest import copy_settings
from tests.tiny import CLASSES, CONSTANTS, MODELS, part, training

FACES = {"validation": 20, "test": 9}
METRIC = {"keypoints": "nme", "emotion": "log_loss"}


def trained(project: Path, model_name: str, ensemble_size: int) -> Path:
    """A project with a saved ensemble, and with validation and test splits."""
    copy_settings(project)
    for split, num_faces in FACES.items():
        save_dataset(project / f"data/prepared/{model_name}/{split}.npz", part(model_name, num_faces))
    settings = training(model_name)
    seeds = [settings.model_copy(update={"seed": seed}) for seed in range(ensemble_size)]
    models = [build_model(part(model_name, 3), one, CONSTANTS) for one in seeds]
    path = project / f"models/trained/{model_name}.keras"
    path.parent.mkdir(parents=True)
    save_model(ensemble(models), path)
    return project


@pytest.mark.parametrize("model_name", MODELS)
def test_the_command_shows_each_member_and_the_ensemble(
    model_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = trained(tmp_path, model_name, ensemble_size=2)
    main([model_name, "--project", str(project), "--split", "test"])
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.strip() == f"{model_name}: {FACES['test']} test faces, group split"
    names, *rows = [[cell.strip() for cell in line[1:-1].split(line[0])] for line in lines if line[0] in "┃│"]
    assert names == ["metric", "member1", "member2", "mean", "mean over members"]
    table = {row[0]: [float(cell) for cell in row[1:]] for row in rows}
    assert np.isfinite([*table.values()]).all()
    assert len([name for name in table if name.startswith("F1 ")]) == (CLASSES if model_name == "emotion" else 0)
    one, other, of_ensemble, over_members = table[METRIC[model_name]]
    assert one != other
    assert over_members == pytest.approx((one + other) / 2, abs=1e-4)
    if model_name == "keypoints":
        # The distance from a true point is convex.
        assert of_ensemble < over_members


def test_a_single_model_has_no_members(tmp_path: Path) -> None:
    dataset, results = measure("keypoints", "validation", trained(tmp_path, "keypoints", ensemble_size=1))
    assert len(dataset) == FACES["validation"]
    assert list(results) == ["mean"]
    assert all(row[1] == row[2] for row in table_rows(results))


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    project = trained(tmp_path, "emotion", ensemble_size=1)
    (project / "models/trained/emotion.keras").unlink()
    with pytest.raises(SystemExit, match=r"models/trained/emotion\.keras"):
        main(["emotion", "--project", str(project)])
