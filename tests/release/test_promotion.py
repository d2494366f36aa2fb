"""Promotion, rollback and refused promotions, through the command line."""

import hashlib
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.common.files import sha256
from tests.conftest import Run, commit, copy_project, runner, set_params
from tests.flows.test_pipeline import SMALL

CHANGE_BIAS = """
import sys
import numpy as np
from pathlib import Path
from tasks.models.keras_files import load_model, save_model

path, index, change = Path("models/trained/emotion.keras"), int(sys.argv[1]), float(sys.argv[2])
model = load_model(path)
layer = model.get_layer("probabilities")
bias = np.asarray(layer.bias)
layer.bias.assign(bias + change * np.eye(len(bias))[index])
save_model(model, path)
"""
"""Changes the bias of one class's logit."""


class Story:
    """A project with small models, and commands on it."""

    def __init__(self, folder: Path) -> None:
        self.project = copy_project(folder / "project")
        set_params(self.project, **SMALL | MORE)
        self.run: Run = runner(self.project)
        self.git("config", "user.name", "test")
        self.git("config", "user.email", "test@localhost")
        self.run("dvc", "repro", "gate")
        commit(self.project, "first models")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.project, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def promote(self) -> subprocess.CompletedProcess[str]:
        return self.run("python", "-m", "flows", "promote", check=False)

    def change_class(self, index: int, change: float) -> None:
        """Change the emotion model, record it as if it were trained, and run evaluation and gate."""
        self.run("python", "-c", CHANGE_BIAS, str(index), str(change))
        self.run("dvc", "commit", "--force", "train@emotion")
        self.run("dvc", "repro", "gate")

    def score(self, out: str) -> bytes:
        self.run("python", "-m", "flows", "score", "--model-set", "prod", "--out", out)
        return (self.project / out / "predictions.parquet").read_bytes()

    def state(self) -> tuple[str, str]:
        """Commit and tags, which change only by a promotion."""
        return self.git("rev-parse", "HEAD"), self.git("tag")

    def rollback(self, *version: str) -> subprocess.CompletedProcess[str]:
        return self.run("python", "-m", "flows", "rollback", *version, check=False)

    def refused(self, message: str, *command: str, **environment: str) -> str:
        before = self.state()
        done = self.run("python", "-m", "flows", *(command or ("promote",)), check=False, **environment)
        assert done.returncode == 1, done.stdout
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert self.state() == before
        return done.stderr


MORE = {
    "sample__num_samples__emotion": 900,
    "emotion__student__epochs": 5,
    "score__input": "data/sample/emotion.csv",
}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("promotion"))


def test_promotion_and_rollback(story: Story) -> None:
    done = story.promote()
    assert done.returncode == 0, done.stderr
    assert (
        "no version is in production yet according to the tags here: the gate result alone decides"
        in done.stdout + done.stderr
    )
    assert story.git("tag").split() == ["faces#prod#1", "faces@v1.0.0"]
    assert story.git("status", "--porcelain", "--", "dvc.lock", "params.yaml", "conf", "reports") == ""
    story.run("dvc", "artifacts", "get", ".", "faces", "--stage", "prod", "--out", "fetched")
    fetched, trained = (
        {path.name: sha256(path) for path in (story.project / folder).iterdir() if path.suffix in (".keras", ".onnx")}
        for folder in ("fetched", "models/trained")
    )
    assert fetched == trained
    assert len(fetched) == 6
    first, before = story.score("first"), story.state()
    assert story.promote().returncode == 0
    assert story.state() == before

    classes = pd.read_csv(story.project / "reports/evaluate/emotion/classes.csv")
    best = int((classes["recall"] * classes["faces"] ** 0.5).to_numpy().argmax())
    story.change_class(best, -30)
    message = story.refused("worse than v1.0.0, which is in production; not promoted")
    assert f"emotion: recall of {classes['class'][best]} 0.0000 instead of" in message

    story.change_class(best, 30 + 1e-3)
    (story.project / "notes.txt").write_text("not part of a promotion")
    done = story.promote()
    assert done.returncode == 0, done.stderr
    assert "v1.1.0 is in production" in done.stdout + done.stderr
    named = set(story.git("show", "--name-only", "--format=", "HEAD").split())
    assert "dvc.lock" in named
    assert all(name.split("/")[0] in ("dvc.lock", "params.yaml", "conf", "reports") for name in named)
    assert "?? notes.txt" in story.git("status", "--porcelain")
    assert story.score("second") != first

    assert story.rollback().returncode == 0
    assert story.score("third") == first
    assert "v1.0.0 is in production already" in "".join(story.rollback("v1.0.0").stderr.splitlines()[-3:])
    story.refused("v1.0.0 is the oldest version", "rollback")
    story.refused("v9.0.0: no such version; registered: v1.1.0, v1.0.0", "rollback", "v9.0.0")
    assert story.rollback("v1.1.0").returncode == 0
    assert story.score("fourth") == (story.project / "second/predictions.parquet").read_bytes()


def test_an_interrupted_promotion_is_completed(story: Story) -> None:
    """Interrupted after the commit and the version: neither is repeated."""
    story.change_class(0, 1e-3)
    story.git("add", "dvc.lock", "reports")
    story.git("commit", "--quiet", "--message", "the commit of a promotion")
    before = story.git("rev-parse", "HEAD")
    story.run("python", "-c", "from tasks.release.registry import register; register('HEAD')")
    done = story.promote()
    assert done.returncode == 0, done.stderr
    assert story.git("rev-parse", "HEAD") == before
    assert {"faces@v1.2.0", "faces@v1.1.0", "faces@v1.0.0"} == {
        tag for tag in story.git("tag").split() if tag.startswith("faces@")
    }
    assert "v1.2.0 is in production" in done.stdout + done.stderr


def test_inconsistent_files_are_not_promoted(story: Story) -> None:
    model = story.project / "models/trained/emotion.int8.onnx"
    gate_result = story.project / "reports/gate.json"
    whole, approved = model.read_bytes(), gate_result.read_text()
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    story.refused("models/trained/emotion.int8.onnx: not the model that reports/gate.json is about")
    gate_result.write_text(approved.replace(hashlib.sha256(whole).hexdigest(), sha256(model)))
    story.refused("models/trained/emotion.int8.onnx does not match dvc.lock")
    model.write_bytes(whole)
    gate_result.write_text(approved)
    # Files that are not scored belong to the version too.
    for name in ("emotion.keras", "keypoints.float32.onnx"):
        other = story.project / "models/trained" / name
        content = other.read_bytes()
        other.unlink()
        other.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        story.refused(f"models/trained/{name} does not match dvc.lock")
        other.write_bytes(content)
    gate_result.write_text(approved.replace('"passed": true', '"passed":  true'))
    story.refused("reports/gate.json does not match dvc.lock")
    gate_result.write_text(approved)


def test_git_and_remote_must_be_ready(story: Story) -> None:
    story.change_class(0, 1e-3)
    story.git("add", "notes.txt")
    story.refused("staged changes do not belong to a promotion: notes.txt")
    story.git("reset", "--quiet")
    for name in ("user.name", "user.email"):
        story.git("config", "--unset", name)
    no_identity = {"GIT_CONFIG_GLOBAL": "", "GIT_CONFIG_SYSTEM": "", "EMAIL": "", "GIT_CONFIG_COUNT": "1"}
    no_identity |= {"GIT_CONFIG_KEY_0": "user.useConfigOnly", "GIT_CONFIG_VALUE_0": "true"}
    story.refused("git has no name and email for commits", **no_identity)
    story.git("config", "user.name", "test")
    story.git("config", "user.email", "test@localhost")
    (story.project / "blocked").write_text("not a folder")
    story.run("dvc", "remote", "modify", "--local", "local", "url", str(story.project / "blocked/remote"))
    story.refused("`dvc push` failed")
    story.run("dvc", "remote", "modify", "--local", "--unset", "local", "url")
    done = story.promote()
    assert done.returncode == 0, done.stderr


def test_the_inbox_is_scored_once_with_the_version_in_production(story: Story) -> None:
    inbox, scored = story.project / "data/inbox/monday", story.project / "data/inbox_results"
    faces, _ = draw_faces(np.random.default_rng(6), np.arange(2), 160, KEYPOINTS_FRAMING)
    scene = cv2.copyMakeBorder(np.hstack([*faces]), *(60,) * 4, cv2.BORDER_CONSTANT, value=150)
    inbox.mkdir(parents=True)
    cv2.imwrite(str(inbox / "two faces.png"), scene)
    (inbox / "text.jpg").write_text("no picture")
    (scored / "notes").mkdir(parents=True)
    story.run("python", "-m", "flows", "inbox")
    (first,) = (path for path in scored.iterdir() if path.name != "notes")
    table = pd.read_parquet(first / "predictions.parquet")
    assert table["source"].tolist() == ["data/inbox/monday/two faces.png"] * 2
    assert set(table["model_version"]) == {"v1.3.0"}
    assert (first / "pictures/0001-two_faces.jpg").exists()
    assert pd.read_parquet(first / "skipped.parquet")["source"].tolist() == ["data/inbox/monday/text.jpg"]
    hashes = pd.read_csv(first / "processed.csv").set_index("source")["sha256"].to_dict()
    assert hashes == {f"data/inbox/monday/{name}": sha256(inbox / name) for name in ("text.jpg", "two faces.png")}
    again = story.run("python", "-m", "flows", "inbox")
    assert "nothing new in data/inbox" in again.stderr
    (inbox / "text.jpg").write_text("no picture either")
    story.run("python", "-m", "flows", "inbox")
    second = max(path for path in scored.iterdir() if path.name != "notes")
    assert pd.read_csv(second / "processed.csv")["source"].tolist() == ["data/inbox/monday/text.jpg"]
    assert pd.read_parquet(second / "predictions.parquet").empty


def test_an_unknown_version_is_named(story: Story) -> None:
    done = story.run("python", "-m", "flows", "score", "--model-set", "v9.9.9", "--out", "other", check=False)
    assert done.returncode == 1
    assert "v9.9.9: no version of faces; registered: v1.3.0, v1.2.0, v1.1.0, v1.0.0" in done.stderr
