"""A DVC remote, sources and outputs on an S3 server, as docs/how-to/s3.md says; wrong keys, and a lost server."""

import hashlib
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.common.files import sha256
from tests.acceptance.s3 import KEY, MISSING, SECRET, S3Server, rclone
from tests.conftest import BIN, Run, commit, copy_project, environment_of, runner, set_params
from tests.orchestration.test_stage import wait_for
from tests.release.test_promotion import Story

BUCKET = "faces"
PICTURES = 60


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    program = rclone()
    if not program:
        pytest.skip(MISSING)
    server = S3Server(program, tmp_path_factory.mktemp("s3"), BUCKET)
    yield server
    server.kill()


def add_remote(run: Run, s3: S3Server, name: str = "bucket") -> None:
    run("dvc", "remote", "add", "--default", name, f"s3://{BUCKET}/{name}")
    run("dvc", "remote", "modify", name, "endpointurl", s3.address)


def set_keys(run: Run, secret: str = SECRET, name: str = "bucket") -> None:
    run("dvc", "remote", "modify", "--local", name, "access_key_id", KEY)
    run("dvc", "remote", "modify", "--local", name, "secret_access_key", secret)


class Cloned:
    """A project whose data go to the bucket; clones of it have neither data nor keys."""

    def __init__(self, project: Path, s3: S3Server) -> None:
        self.project, self.run, self.s3 = project, runner(project), s3
        add_remote(self.run, s3)
        set_keys(self.run)
        commit(project, "a remote")

    def clone(self, name: str, secret: str = SECRET) -> Path:
        """A new clone, with these keys of its own."""
        clone = self.project.parent / name
        subprocess.run(["git", "clone", "--quiet", self.project, clone], check=True)
        set_keys(runner(clone), secret)
        return clone


@pytest.fixture(scope="module")
def pictures(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Cloned:
    """A project with a folder of sixty files of random bytes, which DVC tracks."""
    project = copy_project(tmp_path_factory.mktemp("pictures") / "project")
    generator = np.random.default_rng(8)
    (project / "pictures").mkdir()
    for number in range(PICTURES):
        (project / f"pictures/{number:02}.bin").write_bytes(generator.bytes(20_000))
    runner(project)("dvc", "add", "pictures")
    return Cloned(project, s3)


@pytest.fixture(scope="module")
def promoted(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Cloned:
    """A project whose models are in production."""
    story = Story(tmp_path_factory.mktemp("promoted"))
    cloned = Cloned(story.project, s3)
    done = story.promote()
    assert done.returncode == 0, done.stderr
    return cloned


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in folder.glob("[!.]*")}


def cached(project: Path) -> list[Path]:
    """The files of DVC's cache; each must have the MD5 that is its name. Unfinished ones have other names."""
    files = [path for path in (project / ".dvc/cache/files/md5").rglob("*") if path.is_file()]
    whole = [path for path in files if len(path.name.removesuffix(".dir")) == 30]
    for path in whole:
        found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        assert f"{path.parent.name}{path.name}".removesuffix(".dir") == found
    return whole


@pytest.mark.timeout(3000)
def test_a_clone_pulls_and_scores_with_the_version_in_production(promoted: Cloned) -> None:
    clone = promoted.clone("clone")
    run, score = runner(clone), ("python", "-m", "flows", "score", "--model-set", "prod", "--out", "scored")
    versions = run("python", "-m", "flows", "versions").stdout
    assert "v1.0.0" in versions
    assert "production" in versions
    run("dvc", "pull", "data/sample")
    set_keys(run, "another")
    refused = run(*score, check=False)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert not (clone / "scored").exists()
    assert list((clone / "models/fetched").glob("v*")) == []
    set_keys(run)
    run(*score)
    promoted.run(*score)
    assert sha256(clone / "scored/predictions.parquet") == sha256(promoted.project / "scored/predictions.parquet")
    run("dvc", "pull")
    assert hashes(clone / "models/trained") == hashes(promoted.project / "models/trained") != {}
    assert run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."


@pytest.mark.timeout(1800)
def test_wrong_keys_are_named_and_nothing_is_written(pictures: Cloned) -> None:
    set_keys(pictures.run, "another")
    refused = pictures.run("dvc", "push", check=False)
    set_keys(pictures.run)
    clone = pictures.clone("refused", secret="another")
    before = pictures.s3.stored(BUCKET)
    for done in (refused, runner(clone)("dvc", "pull", check=False)):
        print(done.stderr)
        assert done.returncode != 0
        assert re.search("signature|forbidden", done.stderr, re.IGNORECASE)
        assert "Traceback" not in done.stderr
    assert cached(clone) == []
    assert not (clone / "pictures").exists()
    assert pictures.s3.stored(BUCKET) == before


def interrupted(
    s3: S3Server, project: Path, command: list[str], is_half_way: Callable[[], bool], **environment: str
) -> str:
    """The error output of a command whose server is killed half-way; the server runs again afterwards."""
    with subprocess.Popen(
        [str(BIN / command[0]), *command[1:]],
        cwd=project,
        env=environment_of(**environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(lambda: is_half_way() or process.poll() is not None)
        assert process.poll() is None, "it ended before it could be interrupted"
        s3.kill()
        _, errors = process.communicate(timeout=1200)
    s3.start()
    print(errors[-1000:])
    assert process.returncode != 0
    assert "Traceback" not in errors
    return errors


@pytest.mark.timeout(3000)
def test_a_server_that_is_lost_leaves_only_whole_files(pictures: Cloned) -> None:
    s3, stored = pictures.s3, f"{BUCKET}/bucket"
    push, pull = ["dvc", "push", "--jobs", "1"], ["dvc", "pull", "--jobs", "1"]
    interrupted(s3, pictures.project, push, lambda: len(s3.stored(stored)) >= 3)
    half = len(s3.stored(stored))
    pictures.run(*push)
    assert half < len(s3.stored(stored)) == PICTURES + 1

    clone = pictures.clone("interrupted")
    cache = clone / ".dvc/cache/files/md5"
    interrupted(s3, clone, pull, lambda: sum(path.is_file() for path in cache.rglob("*")) >= 5)
    half = len(cached(clone))
    runner(clone)(*pull)
    assert half < len(cached(clone)) == PICTURES + 1
    assert hashes(clone / "pictures") == hashes(pictures.project / "pictures") != {}


@pytest.fixture(scope="module")
def project(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without models of its own, and sixty pictures, a table and a zip in the bucket."""
    project = copy_project(tmp_path_factory.mktemp("scoring") / "project")
    set_params(project, score__shard_size=5)
    faces, _ = draw_faces(np.random.default_rng(3), np.arange(PICTURES) % 5, 96, KEYPOINTS_FRAMING)
    photos = s3.folder / BUCKET / "photos"
    photos.mkdir()
    encoded = [cv2.imencode(".png", face)[1].tobytes() for face in faces]
    for number, content in enumerate(encoded):
        (photos / f"{number:02}.png").write_bytes(content)
    pd.DataFrame({"image": encoded[:7]}).to_parquet(s3.folder / BUCKET / "table.parquet")
    return project


def score(out: str, *sources: str) -> list[str]:
    given = [f"s3://{BUCKET}/{source}" for source in sources or ("photos", "table.parquet")]
    return ["python", "-m", "flows", "score", *given, "--model-set", "fast", "--out", out]


@pytest.mark.timeout(1800)
def test_sources_and_outputs_at_addresses(project: Path, s3: S3Server) -> None:
    run = runner(project)
    run(*score("local"), **s3.environment)
    sources = pd.read_parquet(project / "local/predictions.parquet")["source"]
    assert sources.nunique() == PICTURES + 1
    assert (sources == f"s3://{BUCKET}/table.parquet").sum() == 7
    assert set(sources[:3]) <= {f"s3://{BUCKET}/photos/{number:02}.png" for number in range(PICTURES)}
    run(*score(f"s3://{BUCKET}/scored"), "--csv", "--draw", **s3.environment)
    stored = {str(path.relative_to(s3.folder / BUCKET / "scored")) for path in s3.stored(f"{BUCKET}/scored")}
    assert {"predictions.parquet", "skipped.parquet", "predictions.csv", "report.html", "faces.png"} <= stored
    for name in ("predictions.parquet", "skipped.parquet"):
        assert sha256(s3.folder / BUCKET / "scored" / name) == sha256(project / "local" / name)
    again = run(*score(f"s3://{BUCKET}/scored"), check=False, **s3.environment)
    assert again.returncode == 1
    assert f"s3://{BUCKET}/scored: exists already" in again.stderr
    run(*score("pattern", "photos/0*.png"), **s3.environment)
    assert pd.read_parquet(project / "pattern/predictions.parquet")["source"].nunique() == 10


@pytest.mark.timeout(1200)
def test_wrong_keys_and_missing_buckets_are_named(project: Path, s3: S3Server) -> None:
    run = runner(project)
    wrong = s3.environment | {"AWS_SECRET_ACCESS_KEY": "another"}
    none = {name: value for name, value in s3.environment.items() if "KEY" not in name}
    before = s3.stored(BUCKET)
    for case, command, environment, message in (
        ("source", score("refused"), wrong, "check the credentials, and what they allow"),
        ("output", score(f"s3://{BUCKET}/refused"), wrong, "check the credentials, and what they allow"),
        ("none", score("refused"), none, "Unable to locate credentials"),
        ("bucket", score("s3://no-such-bucket/refused"), s3.environment, "The specified bucket does not exist"),
    ):
        done = run(*command, check=False, **environment)
        print(case, done.stderr[-400:])
        assert done.returncode == 1, case
        assert message in done.stderr, case
        assert "Traceback" not in done.stderr, case
        assert not (project / "refused").exists()
    assert s3.stored(BUCKET) == before
    assert not (s3.folder / "no-such-bucket").exists()


@pytest.mark.timeout(1800)
def test_a_server_that_is_lost_during_scoring_is_resumed_from(project: Path, s3: S3Server) -> None:
    run = runner(project)
    run(*score("undisturbed", "photos"), **s3.environment)
    out = project / "resumed"
    errors = interrupted(
        s3,
        project,
        score("resumed", "photos"),
        lambda: len(list((out / ".shards").glob("predictions-*"))) >= 2,
        **s3.environment,
    )
    assert "cannot be reached" in errors
    assert "run the same again later: it resumes from there" in errors
    assert not (out / "predictions.parquet").exists()
    run(*score("resumed", "photos"), **s3.environment)
    for name in ("predictions.parquet", "skipped.parquet"):
        assert sha256(out / name) == sha256(project / "undisturbed" / name)


@pytest.mark.timeout(1800)
def test_a_server_that_is_lost_before_the_upload_is_resumed_from(project: Path, s3: S3Server, tmp_path: Path) -> None:
    """From a source that is local, so that only the upload needs the server."""
    run, temporary = runner(project), str(tmp_path)
    environment = s3.environment | {"TMPDIR": temporary}
    address = f"s3://{BUCKET}/uploaded"
    command = ["python", "-m", "flows", "score", str(s3.folder / BUCKET / "photos"), "--model-set", "fast"]
    errors = interrupted(
        s3,
        project,
        [*command, "--out", address],
        lambda: any(Path(temporary).rglob("predictions-*")),
        **environment,
    )
    assert f"{address}: cannot be reached" in errors
    assert s3.stored(f"{BUCKET}/uploaded") == []
    log = run(*command, "--out", address, **environment).stderr
    assert "both tables exist already" in log
    run(*command, "--out", "direct")
    stored = s3.folder / BUCKET / "uploaded/predictions.parquet"
    assert sha256(stored) == sha256(project / "direct/predictions.parquet")
    assert not any(Path(temporary).rglob("*.parquet"))
