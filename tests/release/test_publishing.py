"""A release copies what was evaluated and recorded, byte by byte, or writes nothing and says why."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks.common.files import InputError, sha256
from tasks.models.approved_models import load_approved_models
from tasks.release import publishing
from tasks.release.model_sets import load_model_set
from tasks.release.publishing import publish, require_name
from tests.conftest import ROOT, commit
from tests.release.evaluated import GATE_RESULT, evaluated, record, write_model
from tests.tiny import MODELS

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # of pygtrie, which DVC uses

NAME, OUT = "trial", Path("models/trial")
PRESETS = {"dataset": "sample", "recipe": "sample"}
COPIES = {
    "params.yaml": "params.yaml",
    "dataset.yaml": "conf/dataset/sample.yaml",
    "recipe.yaml": "conf/recipe/sample.yaml",
    **{f"{model}.keras": f"models/trained/{model}.keras" for model in MODELS},
    **{f"{model}.{end}.onnx": f"models/trained/{model}.{end}.onnx" for model in MODELS for end in ("float32", "int8")},
    **{f"metrics/{model}.json": f"reports/metrics/{model}.json" for model in MODELS},
    **{
        f"charts/{model}-{chart}.png": f"reports/figures/{model}/{chart}.png"
        for model, charts in {
            "keypoints": ("ced_curve", "per_keypoint_error", "slices", "robustness"),
            "emotion": ("confusion", "reliability", "risk_coverage", "slices", "robustness"),
        }.items()
        for chart in charts
    },
}
WRITTEN = {"README.md", "evaluation.md", "gate.json", "provenance.json"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evaluated(tmp_path_factory.mktemp("evaluated"))


@pytest.fixture(autouse=True)
def project(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(template, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def release(out: Path = OUT) -> None:
    publish(NAME, PRESETS, GATE_RESULT, out)


def files(folder: Path = OUT) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_copies_have_the_bytes_of_their_sources_and_the_page_has_every_hash() -> None:
    release()
    released = files()
    assert released.keys() == COPIES.keys() | WRITTEN
    assert {name: released[name] for name in COPIES} == {name: Path(path).read_bytes() for name, path in COPIES.items()}
    page = released["README.md"].decode()
    for name in released.keys() - {"README.md"}:
        assert f"| {name} | {len(released[name]):,} | {sha256(OUT / name)} |" in page
    assert not list(OUT.rglob(".*"))


def test_the_gate_result_differs_in_paths_alone_and_makes_the_models_usable() -> None:
    release()
    before, after = json.loads(GATE_RESULT.read_text()), json.loads((OUT / "gate.json").read_text())
    for model_name in MODELS:
        assert after["models"][model_name].pop("path") == f"models/{NAME}/{model_name}.keras"
        assert before["models"][model_name].pop("path") == f"models/trained/{model_name}.keras"
    assert after == before
    approved, version = load_model_set(NAME)
    assert version == NAME
    assert approved.paths == {model_name: OUT / f"{model_name}.int8.onnx" for model_name in MODELS}


def test_the_provenance_has_the_entries_of_all_stages_up_to_the_gate_and_the_charts() -> None:
    release()
    lock = YAML(typ="safe").load(Path("dvc.lock"))["stages"]
    provenance = json.loads((OUT / "provenance.json").read_text())
    assert "score" in lock
    assert provenance["stages"] == {name: entry for name, entry in lock.items() if name != "score"}
    order = list(provenance["stages"])
    for first, second in (
        ("ingest", "prepare@emotion"),
        ("train@emotion", "export@emotion"),
        ("train@emotion", "gate"),
    ):
        assert order.index(first) < order.index(second)
    assert provenance["revision"] == _head()
    assert provenance["settings"] == {name: COPIES[name] for name in ("params.yaml", "dataset.yaml", "recipe.yaml")}


def _head() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, check=True, text=True).stdout.strip()


def test_a_release_elsewhere_has_the_same_bytes_and_replaces_an_earlier_one(tmp_path: Path) -> None:
    release()
    release(tmp_path / "elsewhere")
    assert files(tmp_path / "elsewhere") == files()
    (OUT / "README.md").write_text("an earlier page")
    (OUT / ".emotion.0123abcd.tmp.keras").touch()
    release()
    assert files(tmp_path / "elsewhere") == files()


def test_the_command_releases_without_an_api(project: Path) -> None:
    command = [sys.executable, "-m", "flows", "release", NAME]
    environment = {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": "", "PATH": "/usr/bin:/bin", "HOME": str(project)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert files().keys() == COPIES.keys() | WRITTEN
    done = subprocess.run([*command[:-1], "../x"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "../x: not a name of a model set" in done.stderr


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "-x", ".x", "X", "x" * 65, "é", "a b", "a\n"])
def test_a_name_is_a_plain_folder_name(name: str) -> None:
    with pytest.raises(InputError, match="not a name of a model set"):
        require_name(name)


@pytest.mark.parametrize("name", ["trained", "checkpoints", "pretrained", "fetched", "workspace", "prod", "v1.0.0"])
def test_a_name_in_other_use_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="this name is in use"):
        require_name(name)
    require_name(f"{name}-2")


def _fail_the_gate() -> None:
    content = json.loads(GATE_RESULT.read_text())
    GATE_RESULT.write_text(json.dumps(content | {"outcome": "failed", "passed": False}))


def _name_another_export() -> None:
    content = json.loads(GATE_RESULT.read_text())
    content["models"]["emotion"]["exports"]["int8"] = "0" * 64
    GATE_RESULT.write_text(json.dumps(content))
    record(Path())


def _name_another_model() -> None:
    write_model(Path("models/trained/keypoints.keras"), "others")
    record(Path())


def _forget_a_report() -> None:
    yaml = YAML(typ="safe")
    content = yaml.load(Path("dvc.lock"))
    del content["stages"]["report@emotion"]
    yaml.dump(content, Path("dvc.lock"))


def _add_code() -> None:
    Path("faces/more.py").write_text("")


def _change_settings_of_a_stage() -> None:
    path = Path("conf/recipe/sample.yaml")
    path.write_text(path.read_text().replace("epochs: 7", "epochs: 8"))


def _link_a_file() -> None:
    OUT.mkdir()
    (OUT / "README.md").symlink_to("/etc/hosts")


REFUSALS: dict[str, tuple[Callable[[], object], str]] = {
    "failed": (_fail_the_gate, "these models do not pass the gate"),
    "no gate result": (lambda: GATE_RESULT.unlink(), r"reports/gate.json: no such file; `dvc repro"),
    "another model": (_name_another_model, r"models/trained/keypoints.keras: not the file that reports/gate.json is"),
    "another export": (_name_another_export, r"models/trained/emotion.int8.onnx: not the file that reports/gate.json"),
    "changed model": (
        lambda: write_model(Path("models/trained/emotion.keras"), "others"),
        r"gate, train@emotion: the files differ from what dvc.lock records",
    ),
    "changed chart": (
        lambda: Path("reports/figures/emotion/confusion.png").write_text("another"),
        "report@emotion: the files differ",
    ),
    "no chart": (lambda: shutil.rmtree("reports/figures/keypoints"), "report@keypoints: the files differ"),
    "changed table": (lambda: Path("tables/emotion.csv").write_text("another"), "ingest: the files differ"),
    "changed settings": (_change_settings_of_a_stage, "train@keypoints: the files differ"),
    "no record": (_forget_a_report, "dvc.lock has no record of report@emotion; `dvc repro report@emotion` runs"),
    "no lock": (lambda: Path("dvc.lock").unlink(), "dvc.lock has no record of gate, report@keypoints"),
    "changed code": (lambda: Path("faces/network.py").write_text("x"), r"uncommitted changes.*\n.*faces/network.py"),
    "new code": (_add_code, r"uncommitted changes.*\n.*faces/more.py"),
    "changed versions": (lambda: Path("requirements.txt").write_text("x"), r"uncommitted changes.*\n.*requirements"),
    "symlink": (_link_a_file, "README.md: not files of a release"),
    "symlinked folder": (lambda: OUT.symlink_to("trained"), "models/trial: not a folder"),
    "file": (lambda: OUT.write_text("a user's"), "models/trial: not a folder"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_says_why_and_writes_nothing(kind: str) -> None:
    break_it, message = REFUSALS[kind]
    break_it()
    before = files() if OUT.is_dir() and not OUT.is_symlink() else {}
    with pytest.raises(InputError, match=message):
        release()
    assert before == (files() if OUT.is_dir() and not OUT.is_symlink() else {})


def test_other_files_in_the_folder_are_named_and_stay() -> None:
    foreign = [OUT / "other.txt", OUT / "charts/photograph.png", OUT / "deeper/.hidden"]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a user's")
    (OUT / "README.md").write_text("an earlier page")
    before = files()
    with pytest.raises(InputError, match="not files of a release; move them elsewhere") as refused:
        release()
    assert all(str(path) in str(refused.value) for path in foreign)
    assert "README.md" not in str(refused.value)
    assert files() == before


def test_a_large_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    release()
    size = sum(map(len, files().values()))
    monkeypatch.setattr(publishing, "LARGEST_BYTES", size)
    release()
    shutil.rmtree(OUT)
    monkeypatch.setattr(publishing, "LARGEST_BYTES", size - 1)
    with pytest.raises(InputError, match=re.escape(f"{size:,} bytes in this model set; at most {size - 1:,}")):
        release()
    assert not OUT.exists()


def test_changed_settings_are_released_and_shown() -> None:
    shutil.copyfile("conf/recipe/sample.yaml", "conf/recipe/mine.yaml")
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("max_crop_px: 128", "max_crop_px: 64"))
    publish(NAME, PRESETS | {"recipe": "mine"}, GATE_RESULT, OUT)
    page = (OUT / "README.md").read_text()
    assert re.search(r"^\+\+\+ params.yaml\n-.*max_crop_px: 128.*\n\+.*max_crop_px: 64", page, re.M)
    assert re.search(r"^\+\+\+ conf/recipe/mine.yaml\n\+# For the drawn faces", page, re.M)
    assert "cp $SET/recipe.yaml conf/recipe/mine.yaml" in page
    commit(Path(), "settings")
    publish(NAME, PRESETS, GATE_RESULT, OUT)
    assert "They are those of the revision." in (OUT / "README.md").read_text()


def test_a_gate_result_that_comes_last_is_the_only_use_of_a_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that ends in the middle leaves no usable set of mixed files."""
    written: list[str] = []
    copyfile = shutil.copyfile

    def copy(source: Path, target: Path) -> None:
        if target.parent.is_relative_to(OUT):
            written.append(source.name)
        copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", copy)
    release()
    assert written[-1] == "gate.json"
    assert len(written) == len(COPIES) + len(WRITTEN)
    assert load_approved_models(OUT / "gate.json", OUT).classes
