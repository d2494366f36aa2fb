"""Synthetic faces: reproducible, in the published layout, keypoints on their features, known numbers of defects."""

import io
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from faces.common.schema import COORDINATES, KEYPOINTS, LABEL_ENCODINGS, LEFT_EYE, MIRROR_ORDER, RIGHT_EYE
from faces.synthetic.canvas import Canvas
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING, KEYPOINTS_FRAMING, Framing, Pose
from faces.synthetic.shapes import CIRCLE
from faces.synthetic.tables import DEFECTS, emotion_table, keypoints_table, planted

ROWS = 80
KNOWN = range(len(LABEL_ENCODINGS["course"]))
SETTINGS = [(96, KEYPOINTS_FRAMING), (48, EMOTION_FRAMING)]


def drawn(size: int, framing: Framing, count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    return draw_faces(np.random.default_rng(5), np.arange(count) % len(KNOWN), size, framing)


@pytest.fixture(scope="module")
def keypoints() -> pd.DataFrame:
    return keypoints_table(3, ROWS)


@pytest.fixture(scope="module")
def emotion() -> pd.DataFrame:
    return emotion_table(3, ROWS)


@pytest.fixture(scope="module")
def large() -> tuple[np.ndarray, np.ndarray]:
    return drawn(*SETTINGS[0])


def decoded(texts: pd.Series) -> list[np.ndarray]:
    return [np.array(text.split(" "), dtype=int) for text in texts]


def pixel_damage(rows: list[np.ndarray], full: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts["short"] += len(row) < full
        counts["over_range"] += len(row) == full and row.max() > 255
        counts["constant"] += len(row) == full and row.min() == row.max()
    return counts


def grey_at(images: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Grey level (N,) of the pixel nearest to one point (N, 2) per image."""
    column, row = np.rint(points).astype(int).T
    return images[np.arange(len(images)), row, column].astype(float)


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(
    keypoints: pd.DataFrame, emotion: pd.DataFrame
) -> None:
    for table, make in ((keypoints, keypoints_table), (emotion, emotion_table)):
        assert make(3, ROWS).to_csv(index=False) == table.to_csv(index=False)
        assert make(4, ROWS).to_csv(index=False) != table.to_csv(index=False)


def test_more_faces_begin_with_the_same_ones() -> None:
    emotions = np.array([0, 3, 1, 4, 2, 3])
    few, few_points = draw_faces(np.random.default_rng(1), emotions[:3], 48, EMOTION_FRAMING)
    many, many_points = draw_faces(np.random.default_rng(1), emotions, 48, EMOTION_FRAMING)
    np.testing.assert_array_equal(many[:3], few)
    np.testing.assert_array_equal(many_points[:3], few_points)
    assert (many[3:] != few).mean() > 0.5


def test_longer_table_begins_with_the_same_undamaged_rows(emotion: pd.DataFrame) -> None:
    longer = emotion_table(3, ROWS + 10).iloc[:ROWS]
    same = (longer["pixels"] == emotion["pixels"]) & (longer["emotion"] == emotion["emotion"])
    damaged = sum(planted(ROWS, "emotion").values()) + sum(planted(ROWS + 10, "emotion").values())
    assert ROWS - damaged <= same.sum() < ROWS


def test_tables_have_the_published_layout(keypoints: pd.DataFrame, emotion: pd.DataFrame) -> None:
    assert keypoints.columns.tolist() == [*COORDINATES, "Image"]
    assert emotion.columns.tolist() == ["emotion", "pixels"]
    assert len(keypoints) == len(emotion) == ROWS
    assert pd.api.types.is_integer_dtype(emotion["emotion"])
    texts = pd.read_csv(io.StringIO(keypoints.to_csv(index=False)), dtype=str)[list(COORDINATES)].stack().dropna()
    assert texts.str.fullmatch(r"\d{1,2}\.\d{1,4}").all()


def test_exactly_the_planted_defects_of_the_keypoints_are_found(keypoints: pd.DataFrame) -> None:
    rows = decoded(keypoints["Image"])
    missing = keypoints[list(COORDINATES)].isna()
    found = pixel_damage(rows, 96 * 96)
    found["all_missing"] = int(missing.all(axis=1).sum())
    found["some_missing"] = int((missing.any(axis=1) & ~missing.all(axis=1)).sum())
    found["duplicate"] = int(keypoints.duplicated().sum())
    assert found == planted(ROWS, "keypoints")
    assert {len(row) for row in rows} == {96 * 96, 96 * 96 - 1}
    assert min(row.min() for row in rows) >= 0


def test_exactly_the_planted_defects_of_the_emotions_are_found(emotion: pd.DataFrame) -> None:
    rows = decoded(emotion["pixels"])
    found = pixel_damage(rows, 48 * 48)
    found["unknown_label"] = int((~emotion["emotion"].isin(KNOWN)).sum())
    found["duplicate"] = int(emotion.duplicated().sum())
    assert found == planted(ROWS, "emotion")


def test_defects_never_share_a_row(keypoints: pd.DataFrame) -> None:
    rows = decoded(keypoints["Image"])
    damaged = [len(row) < 96 * 96 or row.max() > 255 or row.min() == row.max() for row in rows]
    missing, duplicated = keypoints[list(COORDINATES)].isna().any(axis=1), keypoints.duplicated(keep=False)
    assert np.max(np.array(damaged, int) + missing.to_numpy() + duplicated.to_numpy()) == 1


def test_incomplete_rows_keep_both_eye_centres(keypoints: pd.DataFrame) -> None:
    missing = keypoints[list(COORDINATES)].isna().to_numpy().reshape(ROWS, len(KEYPOINTS), 2)
    some = missing.any(axis=(1, 2)) & ~missing.all(axis=(1, 2))
    assert some.any()
    assert not missing[some][:, [LEFT_EYE, RIGHT_EYE]].any()
    np.testing.assert_array_equal(missing[..., 0], missing[..., 1])


@pytest.mark.parametrize(("model_name", "rows", "harmless"), [("keypoints", 2000, 160), ("emotion", 4000, 0)])
def test_bad_rows_stay_under_one_percent(model_name: str, rows: int, harmless: int) -> None:
    counts = planted(rows, model_name)
    assert counts == DEFECTS[model_name]
    assert sum(counts.values()) - counts["duplicate"] - harmless < 0.01 * rows
    assert min(planted(60, model_name).values()) >= 1


def test_table_too_small_for_its_defects_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 60 rows"):
        planted(59, "emotion")


@pytest.mark.parametrize(("size", "framing"), SETTINGS)
def test_points_are_inside_and_left_is_left(size: int, framing: Framing) -> None:
    images, points = drawn(size, framing)
    assert images.shape == (100, size, size)
    assert images.dtype == np.uint8
    assert points.shape == (100, 15, 2)
    assert points.dtype == np.float32
    assert 0 <= points.min() <= points.max() <= size - 1
    left = [index for index, name in enumerate(KEYPOINTS) if "left" in name]
    assert (points[:, left, 0] > points[:, MIRROR_ORDER[left], 0]).all()


@pytest.mark.parametrize(("size", "framing"), SETTINGS)
def test_faces_are_framed_like_the_originals(size: int, framing: Framing) -> None:
    _, points = drawn(size, framing)
    eyes = points[:, [LEFT_EYE, RIGHT_EYE]]
    distance = np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1)
    assert distance.mean() == pytest.approx(framing.eye_distance * size, rel=0.05)
    assert distance.max() > 1.2 * distance.min()
    if size == 96:
        np.testing.assert_allclose(eyes.mean(axis=0), [[66, 37], [30, 37]], atol=2)


def test_the_mean_face_has_a_plausible_nme(large: tuple[np.ndarray, np.ndarray]) -> None:
    _, points = large
    eye_distance = np.linalg.norm(points[:, LEFT_EYE] - points[:, RIGHT_EYE], axis=1)
    nme = np.linalg.norm(points - points.mean(axis=0), axis=2).mean(axis=1) / eye_distance
    assert 0.10 < nme.mean() < 0.16


@pytest.mark.parametrize("side", ["left", "right"])
def test_pupil_and_brow_are_dark_where_their_points_are(large: tuple[np.ndarray, np.ndarray], side: str) -> None:
    images, points = large
    down = np.array([0.0, np.ptp(points[:, :2, 0], axis=1).mean()])
    at = {name: points[:, KEYPOINTS.index(f"{side}_{name}")] for name in ("eye_center", "eyebrow_inner_end")}
    pupil, cheek = grey_at(images, at["eye_center"]), grey_at(images, at["eye_center"] + 0.4 * down)
    brow, forehead = grey_at(images, at["eyebrow_inner_end"]), grey_at(images, at["eyebrow_inner_end"] - 0.12 * down)
    assert np.mean(pupil < cheek) > 0.95
    assert (cheek - pupil).mean() > 25
    assert np.mean(brow < forehead) > 0.85


@pytest.mark.parametrize("size", [96, 48])
@pytest.mark.parametrize("soft", [0.0, 0.1])
def test_painted_shapes_are_at_their_projected_positions(size: int, soft: float) -> None:
    pose = Pose(np.eye(3), np.eye(2), scale=20.0, origin=np.array([20.3, 25.6]))
    canvas = Canvas(size, pose)
    canvas.wash(np.column_stack([0.25 * CIRCLE, np.zeros(len(CIRCLE))]), 200.0, 1.0, soft)
    image = canvas.finished()
    rows, columns = np.indices(image.shape)
    centre = [np.average(columns, weights=image), np.average(rows, weights=image)]
    np.testing.assert_allclose(centre, pose.origin, atol=0.06)


def test_iris_is_centred_on_its_point() -> None:
    images, points = drawn(96, KEYPOINTS_FRAMING)
    offsets = []
    for name in ("left_eye_center", "right_eye_center"):
        centre = points[:, KEYPOINTS.index(name)]
        patch = {step: grey_at(images, centre + np.array([step, 0.0])) for step in (-4, -3, 3, 4)}
        offsets.append((patch[-4] + patch[-3] - patch[3] - patch[4]).mean())
    # A shift of half a pixel makes this difference between the flanks of the iris about 40 grey levels.
    assert abs(np.mean(offsets)) < 12


def test_surprise_opens_the_mouth_further_than_sadness() -> None:
    gap = {}
    for code in (2, 4):
        _, points = draw_faces(np.random.default_rng(2), np.full(30, code), 96, KEYPOINTS_FRAMING)
        lips = (
            points[:, KEYPOINTS.index("mouth_center_bottom_lip")] - points[:, KEYPOINTS.index("mouth_center_top_lip")]
        )
        gap[code] = np.linalg.norm(lips, axis=1).mean()
    assert gap[4] > 1.3 * gap[2]
