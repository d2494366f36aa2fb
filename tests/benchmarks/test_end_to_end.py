"""The end-to-end benchmark of scoring: inputs contain the stated number of faces, and all of them are scored."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import pandas as pd
import pytest
from distributed import Client

from benchmarks.end_to_end import CORNERS, FACES_PER_PHOTOGRAPH, INPUTS, cluster, end_to_end, scored
from benchmarks.scoring import sample_faces
from tests.benchmarks.test_scoring import tiny_models
from tests.conftest import ROOT, copy_settings

FACES = 4


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `score` uses models with few weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    copy_settings(tmp_path)
    files, approved = tiny_models(tmp_path)
    models = {
        model_name: {"path": str(path), "precision": "int8", "exports": {"int8": approved.hashes[model_name]}}
        | approved.inference[model_name]._asdict()
        for model_name, path in files.items()
    }
    Path("reports").mkdir()
    Path("reports/gate.json").write_text(json.dumps({"passed": True, "classes": approved.classes, "models": models}))
    return tmp_path


def test_inputs_contain_the_counted_faces(tmp_path: Path) -> None:
    images = sample_faces(FACES)
    table, num_rows = INPUTS["a CSV"](tmp_path, images)
    assert len(pd.read_csv(table)) == num_rows == FACES
    crops, num_crops = INPUTS["a folder of crops"](tmp_path, images)
    read = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(crops.iterdir())]
    assert len(read) == num_crops == FACES
    assert all((one == image).all() for one, image in zip(read, images, strict=True))
    photographs, num_faces = INPUTS["photographs of six"](tmp_path, images[[0] * 2 * FACES_PER_PHOTOGRAPH])
    assert len(list(photographs.iterdir())) == 2
    assert num_faces == 2 * len(CORNERS)


def test_every_face_of_a_table_is_scored_by_the_command(workspace: Path) -> None:
    rows = end_to_end(workspace, sample_faces(FACES), "workspace", kinds=["a CSV"], workers=[])
    assert [row[:2] for row in rows] == [["a CSV", f"{FACES} of {FACES}"]]
    seconds, _, megabytes = map(float, rows[0][2:])
    assert seconds > 0
    assert megabytes > 10


def test_each_number_of_dask_workers_gets_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command receives the scheduler's address."""
    started: list[int] = []

    @contextmanager
    def no_cluster(scheduler_file: Path, workers: int) -> Iterator[str]:
        started.append(workers)
        yield f"tcp://of-{workers}"

    monkeypatch.setattr("benchmarks.end_to_end.cluster", no_cluster)
    monkeypatch.setattr("benchmarks.end_to_end.scored", lambda name, source, *others: [name, source.name, *others[3:]])
    rows = end_to_end(tmp_path, sample_faces(FACES), "fast")
    assert rows[:3] == [["a CSV", "faces.csv"], ["a folder of crops", "crops"], ["photographs of six", "photographs"]]
    assert rows[3:] == [[f"a CSV, Dask, {n}", "faces.csv", "--dask", f"tcp://of-{n}"] for n in (1, 2)]
    assert started == [1, 2]


def test_the_dask_cluster_has_the_given_number_of_workers(tmp_path: Path) -> None:
    with cluster(tmp_path / "scheduler.json", 2) as address, Client(address) as client:
        assert list(client.nthreads().values()) == [1, 1]
        assert client.submit(sum, (1, 2)).result() == 3


def test_a_failed_command_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    with pytest.raises(SystemExit, match=r"-m flows score faces\.csv --model-set fast .* failed"):
        scored("a CSV", Path("faces.csv"), 1, tmp_path, "fast")
