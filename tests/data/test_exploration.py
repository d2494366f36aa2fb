"""Exploration: tables worked by hand, and figures that show the right data in the right place."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from faces.common.pixel_text import SIZES
from faces.common.schema import COORDINATES, KEYPOINTS
from faces.data.eda import class_counts, describe_table, imbalance_sentence, info_table
from faces.data.label_offset import describe_label_offset, symmetry
from faces.plots.exploration import (
    balance_figure,
    face_grid_figure,
    heat_map_figure,
    missing_figure,
    named_points_figure,
)
from params import ReportTables
from tasks.data.exploration import describe, log_label_offset
from tasks.plots import exploration

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 96, 96), np.uint8)
POINTS = RNG.uniform(5, 90, (5, 15, 2))
PNG = b"\x89PNG\r\n\x1a\n"
FIGURES = [
    *("emotion_balance", "emotion_each", "emotion_faces"),
    *("keypoints_face", "keypoints_faces", "keypoints_missing", "keypoints_places", "keypoints_symmetry"),
]
TABLES = [f"{model_name}_{name}" for model_name in ("emotion", "keypoints") for name in ("describe", "info")]


def offsets(axis: Axes) -> np.ndarray:
    """Points of the first scatter of an axis, (N, 2), NaN where none is drawn."""
    return np.ma.filled(np.ma.asarray(axis.collections[0].get_offsets()), np.nan)


def texts(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.texts]


def keypoint_rows(points: np.ndarray, rows: list[int]) -> pd.DataFrame:
    """A valid keypoint table of constant images, whose grey level is the row number."""
    table = pd.DataFrame(points.reshape(-1, 30).astype(np.float32), columns=list(COORDINATES))
    return table.assign(row=rows, pixels=[bytes([row]) * SIZES["keypoints"] ** 2 for row in rows])


def emotion_rows(emotions: list[str], rows: list[int]) -> pd.DataFrame:
    """A valid emotion table of constant images, whose grey level is the row number."""
    pixels = [bytes([row]) * SIZES["emotion"] ** 2 for row in rows]
    return pd.DataFrame({"row": rows, "emotion": emotions, "pixels": pixels})


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple]:
    """Arguments that the tasks pass to three of the figure functions, by function name."""
    passed: dict[str, tuple] = {}
    for name in ("named_points_figure", "face_grid_figure", "emotions_figure"):
        real = getattr(exploration, name)
        monkeypatch.setattr(exploration, name, lambda *args, n=name, real=real: passed.update({n: args}) or real(*args))
    return passed


def test_info_counts_present_and_missing_values() -> None:
    table = pd.DataFrame({"row": [1, 2, 4], "x": np.array([0.5, np.nan, np.nan], np.float32), "pixels": [b"a"] * 3})
    assert info_table(table).to_dict("split")["data"] == [
        ["row", "int64", 3, 0, 0],
        ["x", "float32", 1, 2, 2 / 3],
        ["pixels", "object", 3, 0, 0],
    ]
    assert info_table(table).columns.tolist() == ["column", "dtype", "non_null", "missing", "missing_fraction"]


def test_describe_worked_by_hand() -> None:
    table = pd.DataFrame({"row": [7, 9, 11], "nose_tip_x": [1.0, np.nan, 3.0], "nose_tip_y": [np.nan] * 3})
    images = np.array([[[0, 4], [0, 4]], [[10, 10], [10, 10]], [[0, 0], [0, 120]]], np.uint8)
    described = describe_table(table.set_index("row", drop=False), images)
    common = ["most_common", "most_common_fraction"]
    names = ["column", "count", "mean", "std", "min", "25%", "50%", "75%", "max", *common]
    assert described.columns.tolist() == names
    assert described["most_common_fraction"].tolist()[::2] == [0.5, 1 / 3]
    assert np.isnan(described[common].to_numpy(float)[1]).all()
    assert described["column"].tolist() == ["nose_tip_x", "nose_tip_y", "grey_mean", "grey_deviation"]
    assert described["count"].tolist() == [2, 0, 3, 3]
    assert described["count"].dtype == int
    statistics = described.drop(columns=["column", "count", *common]).to_numpy(float)
    np.testing.assert_allclose(statistics[0], [2, 2**0.5, 1, 1.5, 2, 2.5, 3])
    assert np.isnan(statistics[1]).all()
    # Means 2, 10 and 30; standard deviations 2, 0 and 30 times the square root of 3.
    np.testing.assert_allclose(statistics[2], [14, 208**0.5, 2, 6, 10, 20, 30])
    np.testing.assert_allclose(statistics[3, 2:], [0, 1, 2, 1 + 15 * 3**0.5, 30 * 3**0.5])


def test_describe_shows_repeated_values_and_points_at_the_origin() -> None:
    table = pd.DataFrame({"nose_tip_x": [5.0, 5, 5, 7, np.nan], "points_at_origin": [0, 3, 0, 0, 2]})
    described = describe_table(table, np.zeros((5, 2, 2), np.uint8))
    assert described[["most_common", "most_common_fraction"]].to_numpy().tolist()[0] == [5, 0.75]
    assert described[["mean", "most_common_fraction"]].to_numpy().tolist()[1] == [1, 0.6]


def test_class_counts_include_absent_classes_of_the_smallest_encoding() -> None:
    course = class_counts(pd.Series(["sad", "anger", "sad"]))
    assert course.to_dict() == {"anger": 1, "disgust": 0, "sad": 2, "happiness": 0, "surprise": 0}
    fer = class_counts(pd.Series(["sad", "neutral"], dtype="category"))
    assert fer[fer > 0].to_dict() == {"sad": 1, "neutral": 1}
    assert len(fer) == 7


@pytest.mark.parametrize(
    ("counts", "lines"),
    [
        (
            {"anger": 10, "disgust": 4, "sad": 26},
            [
                "Largest to smallest class: 6.5 to 1 (sad to disgust).",
                "Always predicting sad is 65.0% accurate: the majority-class baseline.",
            ],
        ),
        (
            {"anger": 0, "sad": 3, "fear": 0, "surprise": 3},
            [
                "Largest to smallest class: 1.0 to 1 (sad to surprise).",
                "Always predicting sad is 50.0% accurate: the majority-class baseline.",
                "Classes without faces: anger, fear.",
            ],
        ),
        (
            {"anger": 8, "sad": 0},
            [
                "Largest to smallest class: 1.0 to 1 (anger to anger).",
                "Always predicting anger is 100.0% accurate: the majority-class baseline.",
                "Classes without faces: sad.",
            ],
        ),
    ],
    ids=["unbalanced", "absent", "only one"],
)
def test_imbalance_sentence(counts: dict[str, int], lines: list[str]) -> None:
    assert imbalance_sentence(pd.Series(counts)).splitlines() == lines


def test_balance_bars_have_counts_and_the_imbalance_as_title() -> None:
    counts = pd.Series({"anger": 10, "disgust": 4, "sad": 26, "fear": 0})
    axis = balance_figure(counts).axes[0]
    bars = [bar.get_width() for bar in axis.patches]  # type: ignore[attr-defined]
    assert bars == [26, 10, 4, 0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["sad", "anger", "disgust", "fear"]
    assert texts(axis) == ["26 (65.0%)", "10 (25.0%)", "4 (10.0%)", "0 (0.0%)"]
    assert [(text.xy[0], text.xy[1]) for text in axis.texts] == [(26, 0), (10, 1), (4, 2), (0, 3)]  # type: ignore[attr-defined]
    assert axis.get_title(loc="left") == imbalance_sentence(counts)
    assert axis.get_xlim()[0] == 0
    assert axis.yaxis_inverted()


def test_missing_bars_show_the_fraction_of_each_keypoint() -> None:
    points = POINTS[:4].copy()
    points[0, 3] = points[1:3, 10, 1] = points[:, 14] = np.nan
    axis = missing_figure(points).axes[0]
    fractions = {3: 0.25, 10: 0.5, 14: 1.0}
    expected = [fractions.get(point, 0.0) for point in range(15)]
    assert [bar.get_width() for bar in axis.patches] == expected  # type: ignore[attr-defined]
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == [name.replace("_", " ") for name in KEYPOINTS]
    assert [texts(axis)[point] for point in (0, 3, 10, 14)] == ["0.0% (0)", "25.0% (1)", "50.0% (2)", "100.0% (4)"]
    assert axis.get_title(loc="left") == "0 of 4 faces (0.0%) have all 15 keypoints"
    assert missing_figure(POINTS).axes[0].get_title(loc="left") == "5 of 5 faces (100.0%) have all 15 keypoints"


def test_named_points_are_at_their_positions_with_their_numbers() -> None:
    points = POINTS[0].copy()
    points[4] = points[10, 0] = np.nan
    face, names = named_points_figure(IMAGES[0], points, "Face of row 12").axes
    np.testing.assert_array_equal(face.images[0].get_array(), IMAGES[0])
    drawn = np.isfinite(points).all(axis=1)
    np.testing.assert_allclose(offsets(face)[drawn], points[drawn])
    positions = {text.get_text(): text.xy for text in face.texts}  # type: ignore[attr-defined]
    assert list(positions) == [str(point + 1) for point in range(15) if point not in (4, 10)]
    np.testing.assert_allclose(positions["1"], points[0])
    np.testing.assert_allclose(positions["15"], points[14])
    lines = [texts(names)[at : at + 3] for at in range(0, 45, 3)]
    assert lines[0] == ["1", "left eye center", f"{points[0, 0]:.1f}, {points[0, 1]:.1f}"]
    assert lines[10] == ["11", "nose tip", "not labelled"]
    assert [line[1] for line in lines] == [name.replace("_", " ") for name in KEYPOINTS]
    assert face.get_title() == "Face of row 12"
    assert face.yaxis_inverted()


def test_heat_map_counts_points_per_pixel() -> None:
    points = np.full((3, 15, 2), np.nan)
    points[0, 0], points[1, 0], points[2, 0] = (70.4, 20.0), (69.6, 20.3), (10.0, 90.0)
    points[0, 1] = (0.0, 95.0)
    mean, heat, bar = heat_map_figure(IMAGES[:3], points).axes
    counts: np.ndarray = np.ma.filled(np.ma.asarray(heat.collections[0].get_array()), 0).reshape(96, 96)
    assert {(x, y): int(counts[y, x]) for y, x in np.argwhere(counts)} == {(70, 20): 2, (10, 90): 1, (0, 95): 1}
    corners: np.ndarray = heat.collections[0].get_coordinates()  # type: ignore[attr-defined]
    np.testing.assert_allclose(corners[[0, -1], [0, -1]], [[-0.5, -0.5], [95.5, 95.5]])
    np.testing.assert_allclose(offsets(mean)[:2], np.array([[50, 130.3 / 3], [0, 95]]))
    assert np.isnan(offsets(mean)[2:]).all()
    for axis in (mean, heat):
        np.testing.assert_allclose(np.asarray(axis.images[0].get_array()), IMAGES[:3].mean(axis=0))
        assert axis.yaxis_inverted()
    assert heat.get_title() == "Distribution of 4 keypoints"
    assert bar.get_ylabel() == "keypoints per pixel"


def test_grid_draws_images_unchanged() -> None:
    figure = face_grid_figure(IMAGES[:2], ["row 3", "row 8"], "two", POINTS[:2])
    for face, axis in enumerate(figure.axes):
        np.testing.assert_array_equal(axis.images[0].get_array(), IMAGES[face])
        assert axis.images[0].get_clim() == (0, 255)
        np.testing.assert_allclose(offsets(axis), POINTS[face])
        assert axis.get_title() == f"row {(3, 8)[face]}"


def test_captions_name_the_raw_row_of_their_face(tmp_path: Path, shown: dict[str, tuple]) -> None:
    rows = [3, 5, 8, 13, 21, 34]
    points_of_row_0 = np.array([[x, 40 + x / 2] for x in range(15)])
    keypoint_rows(points_of_row_0 + np.array(rows)[:, None, None], rows).to_parquet(tmp_path / "valid.parquet")
    exploration.draw_keypoints(tmp_path / "valid.parquet", ReportTables(seed=3, num_examples=4), tmp_path)
    images, captions, title, points = shown["face_grid_figure"]
    assert captions == [f"row {image[0, 0]}" for image in images]
    shown_rows = [int(image[0, 0]) for image in images]
    assert shown_rows == sorted(set(shown_rows))
    assert len(shown_rows) == 4
    np.testing.assert_allclose(points, points_of_row_0 + np.array(shown_rows)[:, None, None])
    assert title.startswith("4 of 6 faces")
    image, points, title = shown["named_points_figure"]
    assert title == f"Face of row {image[0, 0]}"
    np.testing.assert_allclose(points, points_of_row_0 + image[0, 0])


def test_named_face_has_the_maximum_number_of_points(tmp_path: Path, shown: dict[str, tuple]) -> None:
    points = np.full((9, 15, 2), 5.0)
    points[np.arange(9) != 6, 4:] = np.nan
    keypoint_rows(points, list(range(9))).to_parquet(tmp_path / "valid.parquet")
    exploration.draw_keypoints(tmp_path / "valid.parquet", ReportTables(seed=1, num_examples=1), tmp_path)
    assert shown["named_points_figure"][2] == "Face of row 6"
    assert np.isfinite(shown["named_points_figure"][1]).all()


def test_emotion_captions_name_row_and_class(tmp_path: Path, shown: dict[str, tuple]) -> None:
    rows, emotions = [2, 3, 5, 7, 11], ["sad", "neutral", "sad", "fear", "sad"]
    emotion_rows(emotions, rows).to_parquet(tmp_path / "valid.parquet")
    named = dict(zip(rows, emotions, strict=True))
    exploration.draw_emotion(tmp_path / "valid.parquet", ReportTables(seed=1, num_examples=40), tmp_path)
    images, captions, title, _ = shown["face_grid_figure"]
    assert captions == [f"row {row} · {emotion}" for row, emotion in named.items()]
    assert [image[0, 0] for image in images] == rows
    assert title.startswith("5 of 5 faces")
    images, captions = shown["emotions_figure"]
    assert captions == [f"{named[image[0, 0]]}\nrow {image[0, 0]}" for image in images]
    assert [caption.split("\n")[0] for caption in captions] == ["fear", "sad", "neutral"]


def test_the_seed_determines_the_faces(tmp_path: Path, shown: dict[str, tuple]) -> None:
    valid = tmp_path / "valid.parquet"
    keypoint_rows(np.full((50, 15, 2), 9.0), list(range(50))).to_parquet(valid)
    seen = []
    for seed in (1, 1, 2):
        exploration.draw_keypoints(valid, ReportTables(seed=seed, num_examples=5), tmp_path)
        seen.append((shown["named_points_figure"][2], *shown["face_grid_figure"][1]))
    assert seen[0] == seen[1] != seen[2]


@pytest.mark.parametrize(
    ("unlabelled", "emotions"),
    [(slice(0, 0), ["sad", "anger", "fear"]), (slice(10, 11), ["sad", "sad", "anger"]), (slice(0, 15), ["fear"])],
    ids=["complete", "one keypoint never labelled", "nothing labelled, one class"],
)
def test_stage_writes_every_file(tmp_path: Path, unlabelled: slice, emotions: list[str]) -> None:
    points = POINTS[: len(emotions)].copy()
    points[:, unlabelled] = np.nan
    rows = list(range(1, len(emotions) + 1))
    keypoint_rows(points, rows).to_parquet(tmp_path / "keypoints.parquet")
    emotion_rows(emotions, rows).to_parquet(tmp_path / "emotion.parquet")
    folder, settings = tmp_path / "reports" / "explore", ReportTables(seed=1, num_examples=40)
    for model_name in ("keypoints", "emotion"):
        assert describe(model_name, tmp_path / f"{model_name}.parquet", folder) == folder
    assert exploration.draw_keypoints(tmp_path / "keypoints.parquet", settings, folder) == folder
    assert exploration.draw_emotion(tmp_path / "emotion.parquet", settings, folder) == folder
    names = sorted([f"{name}.csv" for name in TABLES] + [f"{name}.png" for name in FIGURES])
    assert sorted(path.name for path in folder.iterdir()) == names
    for name in FIGURES:
        assert (folder / f"{name}.png").read_bytes().startswith(PNG)
    described = pd.read_csv(folder / "keypoints_describe.csv", index_col="column")
    assert described.index.tolist() == [*COORDINATES, "grey_mean", "grey_deviation"]
    np.testing.assert_allclose(described["mean"][:30], points.mean(axis=0).ravel(), rtol=1e-6)
    info = pd.read_csv(folder / "emotion_info.csv", index_col="column")
    assert info.loc["emotion", "non_null"] == len(emotions)


def test_the_label_offset_of_a_table_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keypoint_rows(POINTS, [1, 2, 3, 4, 5]).to_parquet(tmp_path / "keypoints.parquet")
    with caplog.at_level("INFO", "faces"):
        log_label_offset(tmp_path / "keypoints.parquet")
    expected = describe_label_offset(
        symmetry(np.stack([np.full((96, 96), row, np.uint8) for row in range(1, 6)]), POINTS)
    )
    assert [record.getMessage() for record in caplog.records] == [f"keypoints: {expected}"]
