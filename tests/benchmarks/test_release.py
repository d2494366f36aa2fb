"""A release writes all its files, and replaces no other file."""

from pathlib import Path

import pytest

from benchmarks.release import main, released_files, require_only_released_files
from benchmarks.release_page import MODELS, read_json
from tasks.models.approved_models import load_approved_models
from tests.benchmarks.test_release_page import evaluated

NAME = "fast"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project").mkdir()
    return evaluated(tmp_path / "project")


def written() -> dict[Path, bytes]:
    """Every file of a release in the current folder."""
    paths = [path for folder in released_files(NAME) for path in folder.rglob("*")] + [*Path("docs").glob("*.md")]
    return {path: path.read_bytes() for path in paths if path.is_file()}


def test_all_files_are_written_and_a_second_release_replaces_them(project: Path) -> None:
    main([str(project), "--name", NAME])
    files = written()
    expected = {folder / one for folder, names in released_files(NAME).items() for one in names}
    assert files.keys() == expected | {Path("docs", f"{NAME}.md")}
    approved = load_approved_models(Path("models", NAME, "gate.json"))
    assert approved.paths == {model_name: Path("models", NAME, f"{model_name}.int8.onnx") for model_name in MODELS}
    for model_name in MODELS:
        metrics = (project / f"reports/metrics/{model_name}.json").read_bytes()
        assert files[Path("docs", NAME, f"{model_name}.json")] == metrics
    assert files[Path("docs", NAME, "emotion-confusion.png")] == b"emotion confusion"
    (project / "reports/figures/emotion/confusion.png").write_bytes(b"another")
    main([str(project), "--name", NAME])
    assert written() == files | {Path("docs", NAME, "emotion-confusion.png"): b"another"}


@pytest.mark.parametrize("folder", ["models", "docs"])
def test_other_files_in_the_folders_are_named_and_nothing_is_written(project: Path, folder: str) -> None:
    foreign = [Path(folder, NAME, "other.txt"), Path(folder, NAME, "deeper/.hidden")]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a user's")
    (Path(folder) / NAME / "README.md").write_text("an older release" if folder == "models" else "a user's too")
    before = written()
    with pytest.raises(SystemExit) as refused:
        main([str(project), "--name", NAME])
    assert all(str(path) in str(refused.value) for path in foreign)
    assert (f"{folder}/{NAME}/README.md" in str(refused.value)) == (folder == "docs")
    assert "not files of a release; move them elsewhere" in str(refused.value)
    assert written() == before


def test_missing_folders_and_temporary_files_of_a_killed_release_are_accepted(project: Path) -> None:
    require_only_released_files(NAME)
    temporary = Path("models", NAME, ".emotion.0123abcd.tmp.keras")
    temporary.parent.mkdir(parents=True)
    temporary.touch()
    require_only_released_files(NAME)
    assert not temporary.exists()


def test_models_that_did_not_pass_are_not_released(project: Path) -> None:
    path = project / "reports/gate.json"
    path.write_text(path.read_text().replace('"passed": true', '"passed": false'))
    assert not read_json(path)["passed"]
    with pytest.raises(SystemExit, match="the gate did not approve these models"):
        main([str(project), "--name", NAME])
    assert written() == {}
