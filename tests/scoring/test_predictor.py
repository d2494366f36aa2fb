"""From Python: arrays and files give the rows that scoring writes for the same faces, from any current folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import tasks.scoring.batch
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from flows.predictor import load
from tasks.common.files import InputError
from tasks.models.approved_models import ApprovedModels
from tasks.scoring.prediction_rows import model_info
from tasks.scoring.predictor import Predictor
from tests.scoring.test_batch import CORNERS, SIDE, scored, settings, skipped, stub_outputs
from tests.scoring.test_resume import models

SIZE, FACES = 96, 7


@pytest.fixture
def approved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApprovedModels:
    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: stub_outputs)
    return models(tmp_path / "models")


@pytest.fixture
def predictor(approved: ApprovedModels) -> Predictor:
    return Predictor(model_info(approved, "v1.0.0"), approved, settings(shard_size=3), stub_outputs)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return draw_faces(np.random.default_rng(5), np.arange(FACES) % 5, SIZE, KEYPOINTS_FRAMING)[0]


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """A photograph (H, W, 3) of three faces, in colours."""
    photograph = np.full((260, 900, 3), (150, 160, 140), np.uint8)
    large = draw_faces(np.random.default_rng(5), np.arange(3), SIDE, KEYPOINTS_FRAMING)[0]
    for face, (left, top) in zip(large, CORNERS, strict=True):
        photograph[top : top + SIDE, left : left + SIDE] = face[:, :, None] // (1, 1, 2)
    return photograph


def nothing() -> np.ndarray:
    """A picture (300, 400) without a face, which is not constant."""
    picture = np.full((300, 400), 90, np.uint8)
    picture[:150] = 95
    return picture


def assert_equal(table: pd.DataFrame, expected: pd.DataFrame, *but: str) -> None:
    assert table.columns.tolist() == expected.columns.tolist()
    kept = [name for name in expected.columns if name not in but]
    pd.testing.assert_frame_equal(table[kept], expected[kept], check_exact=True)


def test_faces_get_the_rows_of_a_prepared_split(
    predictor: Predictor, approved: ApprovedModels, faces: np.ndarray, tmp_path: Path
) -> None:
    np.savez(tmp_path / "split.npz", images=faces, rows=np.arange(1, FACES + 1))
    expected = scored(tmp_path / "split.npz", approved, tmp_path / "out")
    table = predictor.predict(faces)
    assert_equal(table, expected, "source")
    assert set(table["source"]) == {"images"}
    assert table.attrs["skipped"] == []
    assert_equal(predictor.predict(list(faces)), table)
    assert_equal(predictor.predict(np.repeat(faces[..., None], 3, axis=3)), table)


@pytest.mark.parametrize("mode", ["auto", "detect", "whole"])
def test_images_of_any_size_get_the_rows_of_their_files(
    mode: Any, predictor: Predictor, approved: ApprovedModels, faces: np.ndarray, scene: np.ndarray, tmp_path: Path
) -> None:
    images = [faces[0], scene, faces[1][:, :60], nothing()]
    paths = [tmp_path / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    expected = scored([str(path) for path in paths], approved, tmp_path / "out", mode)
    table = predictor.predict(images, mode)
    assert_equal(table, expected, "source", "row")
    assert [str(paths[row - 1]) for row in table["row"]] == expected["source"].tolist()
    reasons = {f"{row['row'] - 1}.png:0": row["reason"] for row in table.attrs["skipped"]}
    assert reasons == skipped(tmp_path / "out")
    assert bool(reasons) == (mode != "whole")


@pytest.mark.parametrize("mode", ["auto", "whole"])
def test_files_get_the_rows_that_scoring_writes(
    mode: Any, predictor: Predictor, approved: ApprovedModels, scene: np.ndarray, faces: np.ndarray, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(scene).save(folder / "scene.jpg")
    np.savez(folder / "split.npz", images=faces, rows=np.arange(FACES) * 2 + 1)
    (folder / "empty.png").touch()
    (folder / ".hidden.png").touch()
    left_out = f"1 hidden or metadata of the system ({folder}/.hidden.png)"
    expected = scored(folder, approved, tmp_path / "out", mode)
    before = set(tmp_path.rglob("*"))
    for table in (predictor.predict_files(folder, mode), predictor.predict_files([str(folder)], mode)):
        assert_equal(table, expected)
        assert table.attrs["skipped"] == [{"source": str(folder / "empty.png"), "row": 0, "reason": "is empty"}]
        assert table.attrs["left_out"] == left_out
    assert set(tmp_path.rglob("*")) == before

    table = predictor.predict_files(folder, mode, out=tmp_path / "again")
    assert_equal(table, expected)
    assert table.attrs["left_out"] == left_out
    assert skipped(tmp_path / "again") == skipped(tmp_path / "out")
    assert (tmp_path / "again/predictions.parquet").read_bytes() == (tmp_path / "out/predictions.parquet").read_bytes()
    with pytest.raises(InputError, match="again: exists already; name another folder"):
        predictor.predict_files(folder, mode, out=tmp_path / "again")


def test_a_batch_with_an_output_runs_the_loaded_models(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, faces: np.ndarray, tmp_path: Path
) -> None:
    def load_again(paths: object, inference: object) -> None:
        raise AssertionError("loaded twice")

    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", load_again)
    Image.fromarray(faces[0]).save(tmp_path / "face.png")
    assert len(predictor.predict_files(tmp_path / "face.png", out=tmp_path / "out")) == 1


def test_tables_can_be_concatenated_and_saved(predictor: Predictor, faces: np.ndarray, tmp_path: Path) -> None:
    both = pd.concat([predictor.predict([face, nothing()], "auto") for face in faces[:2]])
    assert len(both) == 2
    both.to_parquet(tmp_path / "both.parquet")
    assert len(pd.read_parquet(tmp_path / "both.parquet")) == 2


@pytest.mark.parametrize("mode", ["auto", "detect", "whole"])
def test_a_constant_array_is_skipped_with_the_reason_of_its_file(
    mode: Any, predictor: Predictor, faces: np.ndarray
) -> None:
    table = predictor.predict([faces[0], np.full((48, 48), 7, np.uint8)], mode)
    assert {"source": "images", "row": 2, "reason": "all pixels have the level 7: no face"} in table.attrs["skipped"]
    assert 2 not in table["row"].tolist()


GREY = np.zeros((48, 48), np.uint8)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "images are empty; give at least one"),
        (np.empty((0, 48, 48), np.uint8), "images are empty"),
        ("face.png", r"images = 'face.png' is a path; use predict_files"),
        ([Path("face.png")], r"images\[0\] = 'face.png' is a path; use predict_files"),
        (GREY, r"images have the shape \(48, 48\), not \(N, H, W\); give one image as \[image\]"),
        (np.zeros((48, 48, 3), np.uint8), r"images\[0\] has the shape \(48, 3\).* colour image as \[image\]"),
        ([GREY, GREY.astype(float)], r"images\[1\] is float64, not uint8; give grey levels 0..255"),
        ([GREY, np.full((48, 48), 0.5)], r"images\[1\] is float64, not uint8; .* \(values 0..1 times 255\)"),
        ([GREY, np.eye(48, dtype=np.uint8)], r"images\[1\] has only the values 0 and 1; give grey levels 0..255"),
        ([GREY, np.full((48, 48), np.nan)], r"images\[1\] is float64 with NaN, not uint8"),
        ([GREY.tolist()], r"images\[0\] is a list, not an array; give numpy.asarray"),
        ([GREY[0]], r"images\[0\] has the shape \(48,\), not \(H, W\) or \(H, W, 3\)"),
        ([np.zeros((48, 48, 4), np.uint8)], r"images\[0\] has the shape \(48, 48, 4\), not \(H, W\)"),
        ([GREY, GREY[:15]], r"images\[1\] has the shape \(15, 48\): a side under 16 px"),
    ],
    ids=str,
)
def test_bad_images_are_named_with_the_remedy(predictor: Predictor, images: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        predictor.predict(images)


def test_bad_arguments_are_named(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mode: Any = "hole"
    with pytest.raises(InputError, match="mode = 'hole': not one of auto, detect, whole"):
        predictor.predict([GREY], mode)
    with pytest.raises(InputError, match="mode = 'hole'"):
        predictor.predict_files(["face.png"], mode)
    with pytest.raises(InputError, match="absent: no such file or folder"):
        predictor.predict_files([tmp_path / "absent"])
    with pytest.raises(InputError, match="nothing: no file found to score"):
        predictor.predict_files([])
    with pytest.raises(InputError, match=r"is inside .*; name a folder elsewhere"):
        predictor.predict_files(tmp_path, out=tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"root = .*: not a checkout of this project; give the folder that has dvc"):
        load(root=tmp_path)
    with pytest.raises(InputError, match=r"best: no(t one of workspace, released, fast| version of faces)"):
        load("best")
    assert Path.cwd() == tmp_path
