"""The pages of a release say of every file and of the weights how they came about, from records alone."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from faces.common.schema import KEYPOINTS
from tasks.common.files import InputError, sha256
from tasks.operations.dvc_graph import recorded_stages
from tasks.release.provenance import TARGETS, Run, flatten, origin_sections, outside_files, weights_origin
from tasks.release.release_page import CHARTS, SHOWN, evaluation, page
from tests.release.evaluated import CLASSES, GATE_RESULT, evaluated, write_model
from tests.tiny import MODELS

SETTINGS = {
    "params.yaml": Path("params.yaml"),
    "dataset.yaml": Path("conf/dataset/sample.yaml"),
    "recipe.yaml": Path("conf/recipe/sample.yaml"),
}
START = Path("models/pretrained/emotion/start.keras")
TRAINED = Path("models/trained/emotion.keras")
ABOUT = {"teacher": "ours", "trained": {"rows": 28709, "classes": ["anger", "sad"]}, "note": "a | b\n# c <i>"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluated(tmp_path_factory.mktemp("evaluated"))


@pytest.fixture(autouse=True)
def project(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(template, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def run() -> Run:
    gate_result = json.loads(GATE_RESULT.read_text())
    return Run("trial", "0123abcd", gate_result, recorded_stages(Path("dvc.lock"), TARGETS), SETTINGS, "")


def set_recipe(model_name: str, **changes: Any) -> None:
    """Change settings of a model in the recipe, `student__epochs=0`; this version's schema need not know them."""
    yaml = YAML()
    content = yaml.load(SETTINGS["recipe.yaml"])
    for name, value in changes.items():
        *sections, key = name.split("__")
        section = content[model_name]
        for each in sections:
            section = section[each]
        section[key] = value
    yaml.dump(content, SETTINGS["recipe.yaml"])


def test_the_page_has_data_metrics_terms_and_limits() -> None:
    text = page(run(), Path("models/trained"))
    for model_name in MODELS:
        metric = SHOWN[model_name][0]
        assert f"{json.loads(Path(f'reports/metrics/{model_name}.json').read_text())[metric]:.3f} (" in text
        prepared = json.loads(Path(f"reports/prepare/{model_name}.json").read_text())
        assert f"| {model_name} | {prepared['strategy']} | {prepared['rows']['train']:,} | " in text
    assert "faces drawn by this project; Apache-2\\.0" in text or "faces drawn by this project; Apache-2.0" in text
    assert "Not intended: decisions about a person" in text
    assert "## Reproducing" not in text


def test_every_input_and_output_of_every_stage_has_its_hash() -> None:
    text = page(run(), Path("models/trained"))
    for name, stage in run().stages.items():
        assert f"### {name}\n\n`{stage['cmd']}`" in text
        for entry in (*stage.get("deps", []), *stage.get("outs", [])):
            is_code = entry["path"].startswith("faces/")
            assert (f"| `{entry['path']}` | {entry['size']:,} | {entry['md5']} |" in text) == (not is_code)
    assert "code dependencies: 1" in text
    assert "### score" not in text


def test_the_page_says_how_to_make_the_set_again() -> None:
    text = page(run(), Path("models/trained"))
    (commands,) = re.findall(r"^## How to make it again\n.*?```\n(.*?)```", text, re.M | re.S)
    lines = commands.splitlines()
    assert lines[0] == "git checkout 0123abcd"
    assert "cp $SET/recipe.yaml conf/recipe/sample.yaml" in lines
    assert lines[-2:] == ["dvc repro gate report@keypoints report@emotion", "faces release trial"]
    given = {line.split(": ")[0][2:] for line in lines if line.startswith("# ")}
    pretrained = {f"models/pretrained/{model_name}" for model_name in MODELS}
    assert given == {f"tables/{model_name}.csv" for model_name in MODELS} | pretrained


def test_the_page_refers_to_no_address_and_to_files_of_the_set_alone() -> None:
    text = page(run(), Path("models/trained")) + evaluation(run())
    assert not re.search(r"https?:|/home|/tmp|\.\./", text)
    links = set(re.findall(r"\]\(([^)]+)\)", text))
    charts = {f"charts/{model_name}-{chart}.png" for model_name in MODELS for chart in CHARTS[model_name]}
    assert links == charts | {"evaluation.md", "README.md"}


def test_the_reports_of_training_are_shown_whatever_they_hold() -> None:
    report = Path("reports/train/emotion.json")
    content = {"parameters": 5, "backend": "jax", "device": {"name": "a GPU"}, "versions": {"keras": "3.15.1"}}
    report.write_text(json.dumps(content))
    text = page(run(), Path("models/trained"))
    for line in ("| backend | jax |", "| device\\.name | a GPU |", "| versions\\.keras | 3\\.15\\.1 |"):
        assert line.replace("\\.", ".") in text.replace("\\.", ".")
    Path("reports/train_teacher").mkdir()
    Path("reports/train_teacher/emotion.json").write_text('{"teacher": "of another run"}')
    assert "of another run" not in page(run(), Path("models/trained"))
    recorded = run()
    recorded.stages["train_teacher@emotion"] = {
        "cmd": "train",
        "outs": [{"path": "reports/train_teacher/emotion.json", "md5": "0"}],
    }
    assert "of another run" in page(recorded, Path("models/trained"))


def test_a_trained_model_is_said_to_be_trained() -> None:
    assert "`train@emotion` trained it, from random initial weights, for at most 9 epochs." in page(
        run(), Path("models/trained")
    )


def test_weights_that_were_taken_over_are_said_to_be_so() -> None:
    set_recipe("emotion", student__init_from=str(START), student__epochs=0)
    text = page(run(), Path("models/trained"))
    said = (
        f"Weights taken unchanged from `{START}` (SHA-256 `{sha256(START)}`), not trained by this pipeline: `epochs: 0`"
    )
    assert said in text
    assert "`train@keypoints` trained it" in text
    assert "trained it, from" not in text.split("### Emotion")[1].split("### ")[0]
    assert "| student.init_from |" in text.replace("\\", "")


def test_weights_that_changed_when_they_were_saved_are_not_said_to_be_unchanged() -> None:
    write_model(START, "other weights")
    said = weights_origin("train@emotion", {"init_from": str(START), "epochs": 0}, TRAINED)
    assert "unchanged" not in said
    assert "not the same bytes" in said
    assert f"Weights taken from `{START}` (SHA-256 `{sha256(START)}`), not trained by this pipeline" in said


def test_weights_that_a_training_starts_with_are_named() -> None:
    said = weights_origin("train@emotion", {"init_from": str(START), "epochs": 3}, TRAINED)
    assert said == f"`train@emotion` trained it, from `{START}` (SHA-256 `{sha256(START)}`), for at most 3 epochs.\n"
    for student in ({"init_from": "teacher"}, {"distillation": {"init_from_teacher": True}}):
        assert "trained it, from the weights of its first teacher" in weights_origin(
            "emotion", student | {"epochs": 3}, TRAINED
        )
    said = weights_origin("train@emotion", {"init_from": "teacher", "epochs": 0}, TRAINED)
    assert (
        said
        == "`train@emotion` saved the weights of its first teacher as they are: `epochs: 0`, so it trained nothing.\n"
    )
    with pytest.raises(InputError, match=r"absent.keras: the settings of train@emotion name it, and there is no such"):
        weights_origin("train@emotion", {"init_from": "absent.keras", "epochs": 0}, TRAINED)


def test_the_origin_of_every_teacher_is_said() -> None:
    Path("models/teachers/emotion").mkdir(parents=True)
    for name, weights in (("taken", "weights of emotion"), ("trained", "new")):
        write_model(Path(f"models/teachers/emotion/{name}.keras"), weights)
    recipe = {
        "student": {"init_from": "teacher", "epochs": 0, "distillation": {"predictions": ["elsewhere"]}},
        "teachers": {
            "taken": {"init_from": str(START), "epochs": 0},
            "trained": {"architecture": {"name": "backbone", "file": str(START)}, "epochs": 4},
        },
    }
    student, taken, trained, elsewhere = origin_sections("emotion", recipe).split("\n\n")
    assert student.startswith("`train@emotion` saved the weights of its first teacher as they are: `epochs: 0`")
    assert taken.startswith(
        f"Teacher taken: Weights taken unchanged from `{START}` (SHA-256 `{sha256(START)}`), not trained"
    )
    assert trained.startswith(
        f"Teacher trained: `train_teacher@emotion` trained it, from the backbone `{START}` (SHA-256 "
    )
    folder = "models/pretrained/teachers/emotion/elsewhere"
    said = f"Teacher elsewhere: not trained by this pipeline. Its predictions, `{folder}`, were committed."
    assert elsewhere.strip() == said


def test_predictions_that_were_made_elsewhere_are_said_to_be_so() -> None:
    folder = Path("models/pretrained/emotion/ours")
    folder.mkdir()
    (folder / "about.json").write_text(json.dumps(ABOUT))
    (folder / "predictions.npz").write_text("predictions")
    text = page(run(), Path("models/trained"))
    assert f"| `{folder}/predictions.npz` | 11 | {sha256(folder / 'predictions.npz')} |" in text
    assert f"`{folder}` holds predictions or weights that were committed. Its `about.json` says:" in text
    plain = text.replace("\\", "")
    assert "| trained.classes | anger, sad |" in plain
    assert "| note | a \\| b\\\\n\\# c \\<i\\> |" in text
    (folder / "about.json").write_text(" " * 1_000_001)
    with pytest.raises(InputError, match=r"about.json: over 1,000,000 bytes"):
        outside_files(run().stages)


def test_a_run_without_files_from_elsewhere_has_no_such_section() -> None:
    stages = {"train": {"cmd": "x", "deps": [{"path": "data/x", "md5": "0", "size": 1}], "outs": []}}
    assert outside_files(stages) == ""


def test_nested_values_have_dotted_keys() -> None:
    content = {"a": {"b": [1, 2], "c": None}, "d": [{"e": 1}, {"e": 2}], "f": []}
    assert flatten(content) == {"a.b": "1, 2", "a.c": "None", "d.1.e": "1", "d.2.e": "2", "f": ""}


def test_the_evaluation_page_has_every_class_point_slice_corruption_and_check() -> None:
    text = evaluation(run())
    assert "| brightness | dark | 20 | 0.500 (0.400 to 0.600) | 0.500 (0.400 to 0.600) |" in text
    assert "| clean | 0.0 |  | 0.700 (0.700 to 0.700) |" in text
    assert "| blur | 0.01 | of the side | 0.500 (0.400 to 0.600) |" in text
    assert all(f"| {name} | 9 | 0.900 (0.900 to 0.900) |" in text for name in CLASSES)
    assert all(f"| {name} | 1.50 (1.25 to 1.75) |" in text for name in KEYPOINTS)
    checks = json.loads(GATE_RESULT.read_text())["checks"]
    assert all(f"| {check['model']} | {check['check']} | " in text for check in checks)
    assert text.count("passed |") == len(checks)
