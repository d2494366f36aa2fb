"""A wrong setting fails before any work, by name, line and remedy."""

from pathlib import Path

import pytest
from pydantic import ValidationError

import params
from tests.conftest import ROOT

TEXT = (ROOT / "params.yaml").read_text()


def write(tmp_path: Path, old: str, new: str) -> Path:
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    return path


def test_the_project_s_own_settings_are_valid_and_frozen() -> None:
    settings = params.load(ROOT / "params.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        settings.train.emotion.epochs = 99


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    epochs:", "    epohcs:", r"line \d+: train.keypoints.epohcs is no setting; did you mean epochs\?"),
        ("    epochs:", "    epohcs:", "train.keypoints.epochs is missing; add it"),
        ("\ngate:", "\ngaet:", r"line \d+: gaet is no setting; did you mean gate\?"),
        ("label_set: course", "label_set: cours", "validate.emotion.label_set = 'cours': Input should be 'course'"),
        ("validation: 0.15, test: 0.15", "validation: 0.5, test: 0.5", "leave less than 0.2 of the rows"),
        ("[1.5, 2.0]", "[2.5, 2.0]", "the other way round"),
        ("dropout: 0.0", "dropout: 1.0", "train.keypoints.dropout = 1.0"),
        ("learning_rate: 2.0e-3", "learning_rate: .nan", "train.keypoints.learning_rate"),
        ("sample:", "sample: [", "not valid YAML"),
        ("widths: [16, 16, 32]", "widths: [8, 8, 8, 8, 8, 8]", "train.keypoints.widths"),
        ("emotion: data/sample/emotion.csv", "emotion: s3://faces/e.csv", "a path, http:// or https:// is needed"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, old, new)
    with pytest.raises(params.SettingsError, match=message) as caught:
        params.load(path)
    assert str(path) in str(caught.value)


def test_the_line_is_that_of_the_key(tmp_path: Path) -> None:
    path = write(tmp_path, "    batch_size: 64", "    bach_size: 64")
    line = path.read_text().splitlines().index("    bach_size: 64") + 1
    with pytest.raises(params.SettingsError, match=f"line {line}: train.emotion.bach_size"):
        params.load(path)


def test_an_absent_file_says_where_to_stand(tmp_path: Path) -> None:
    with pytest.raises(params.SettingsError, match="run from the project's folder"):
        params.load(tmp_path / "params.yaml")


def test_absent_raw_tables_are_found_before_any_work(tmp_path: Path) -> None:
    path = write(tmp_path, "emotion: data/sample/emotion.csv", "emotion: nowhere/faces.csv")
    (line,) = params.missing_sources(params.load(path))
    assert "ingest.emotion = 'nowhere/faces.csv'" in line
