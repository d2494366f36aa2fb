"""Figures show their data and can be saved; the table of predictions has its columns in order."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from faces.common.schema import COORDINATES, KEYPOINTS, LABEL_ENCODINGS, MIRROR_ORDER
from faces.models.calibration import Reliability
from faces.plots.evaluation import (
    ced_curve_figure,
    confusion_figure,
    per_keypoint_error_figure,
    reliability_figure,
    risk_coverage_figure,
    robustness_figure,
    slices_figure,
)
from faces.plots.face_grid import POINT_COLOURS, TRUTH_COLOUR, faces_figure
from faces.plots.training import learning_figure
from faces.scoring.prediction_table import prediction_table

CLASSES = LABEL_ENCODINGS["course"]
PNG = b"\x89PNG\r\n\x1a\n"
IMAGES = np.random.default_rng(0).integers(0, 256, (11, 12, 12), np.uint8)
POINTS = np.random.default_rng(1).uniform(0, 11, (11, 15, 2))
POINTS[2] = POINTS[3, 4] = np.nan
CAPTIONS = [f"face {number}" for number in range(11)]
COUNTS = np.array([[7, 1, 0], [2, 40, 3], [0, 0, 0]])

BINS = Reliability(np.array([0, 3, 9]), np.array([np.nan, 0.5, 0.9]), np.array([np.nan, 2 / 3, 8 / 9]))
POINT_ENDS = np.roll(np.stack([np.arange(15.0), np.arange(15) - 0.5, np.arange(15) + 1.5]), 3, axis=1)
POINT_ENDS[:, 4] = np.nan
SLICES = [("brightness", "dark"), ("brightness", "bright"), ("group size", "1")]
SLICE_ENDS = np.array([[0.7, 0.8, 0.9], [0.6, 0.75, np.nan], [0.75, 0.9, np.nan]])
LINES = {
    "blur": np.array([[0.8, 0.7, 0.5], [0.7, 0.6, 0.4], [0.85, 0.75, 0.55]]),
    "noise": np.array([[0.9, 0.8, 0.7], [np.nan] * 3, [np.nan] * 3]),
}

FIGURES = {
    "one face": lambda: faces_figure(IMAGES[:1], CAPTIONS[:1], "one"),
    "faces": lambda: faces_figure(IMAGES, CAPTIONS, "eleven", POINTS, POINTS + 1, ["red"] * 11, columns=4),
    "confusion": lambda: confusion_figure(COUNTS, "abc", "confusion"),
    "errors": lambda: ced_curve_figure(np.array([0.03, 0.01, 0.2]), np.array([0.1, 0.4]), "errors"),
    "learning": lambda: learning_figure([1, 2, 3], {"training": [3, 2, 1], "validation": [3, 2, 4]}, [2], "learning"),
    "reliability": lambda: reliability_figure(BINS, BINS, (0.1, 0.05), "reliability"),
    "risk": lambda: risk_coverage_figure(np.array([0.5, 1]), np.array([0.0, 0.25]), 0.125, "risk"),
    "nothing wrong": lambda: risk_coverage_figure(np.array([0.5, 1]), np.zeros(2), 0.0, "risk"),
    "each point": lambda: per_keypoint_error_figure(KEYPOINTS, POINT_ENDS, "points"),
    "slices": lambda: slices_figure(SLICES, SLICE_ENDS, 0.7, "accuracy", "slices"),
    "robustness": lambda: robustness_figure(LINES, np.array([0.9, 0.85, 0.95]), "accuracy", "robustness"),
    "one epoch": lambda: learning_figure([1], {"training": [3.0], "validation": [2.0]}, [1], "learning"),
}


def curves(axis: Axes) -> dict[str, list[tuple[float, float]]]:
    """The vertices of every curve in the legend."""
    handles, labels = axis.get_legend_handles_labels()
    lines = {label: line for line, label in zip(handles, labels, strict=True) if isinstance(line, Line2D)}
    return {
        label: list(zip(np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist(), strict=True))
        for label, line in lines.items()
    }


def offsets(scatter: Collection) -> np.ndarray:
    """Positions of the points of a scatter, (15, 2), NaN where none is drawn."""
    return np.ma.filled(np.ma.asarray(scatter.get_offsets()), np.nan)


@pytest.mark.parametrize("name", FIGURES)
def test_figure_saves_as_png(name: str) -> None:
    figure = FIGURES[name]()
    assert isinstance(figure, Figure)
    file = io.BytesIO()
    figure.savefig(file, dpi=40)
    assert file.getvalue().startswith(PNG)
    assert len(file.getvalue()) > 1000


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 11])
def test_grid_shows_every_image_once(count: int) -> None:
    figure = faces_figure(IMAGES[:count], CAPTIONS[:count], "the title", columns=4)
    shown = [axis for axis in figure.axes if axis.images]
    assert len(shown) == count
    for axis, image, caption in zip(shown, IMAGES, CAPTIONS, strict=False):
        np.testing.assert_array_equal(axis.images[0].get_array(), image)
        assert axis.images[0].get_clim() == (0, 255)
        assert axis.get_title() == caption
    assert not any(axis.axison for axis in figure.axes)
    assert len(figure.axes) == -(-count // 4) * min(count, 4)
    assert figure.get_suptitle() == "the title"


def test_points_and_ringed_true_points_are_drawn_at_their_positions() -> None:
    figure = faces_figure(IMAGES[:4], CAPTIONS[:4], "", POINTS, POINTS + 1, ["green", "red", "red", "green"])
    for face, axis in enumerate(figure.axes):
        true_points, points = axis.collections
        np.testing.assert_allclose(offsets(points), POINTS[face])
        np.testing.assert_allclose(offsets(true_points), POINTS[face] + 1)
        assert len(true_points.get_facecolor()) == 0
        assert {to_hex(colour) for colour in true_points.get_edgecolor()} == {TRUTH_COLOUR}
        assert [to_hex(colour) for colour in points.get_facecolor()] == POINT_COLOURS
        assert axis.title.get_color() == ["green", "red", "red", "green"][face]
    assert [len(axis.collections) for axis in faces_figure(IMAGES[:2], CAPTIONS, "").axes] == [0, 0]


@pytest.mark.parametrize("point", range(15), ids=KEYPOINTS)
def test_colours_differ_between_left_and_right(point: int) -> None:
    """They show whether a flip swapped the points."""
    other = int(MIRROR_ORDER[point])
    assert (POINT_COLOURS[point] != POINT_COLOURS[other]) is (point != other)
    side = next((side for side in ("left", "right") if side in KEYPOINTS[point]), "middle")
    same_colour = [
        name for name, colour in zip(KEYPOINTS, POINT_COLOURS, strict=True) if colour == POINT_COLOURS[point]
    ]
    assert all(
        (side in name) if side != "middle" else not {"left", "right"} & set(name.split("_")) for name in same_colour
    )


def test_confusion_shows_counts_and_fractions_of_rows() -> None:
    axis = confusion_figure(COUNTS, "abc", "confusion").axes[0]
    texts = {tuple(int(at) for at in text.get_position()): text.get_text() for text in axis.texts}
    # Position is (column, row), that is (predicted, true).
    assert texts == {
        **{(0, 0): "7\n88%", (1, 0): "1\n12%", (2, 0): "0\n0%"},
        **{(0, 1): "2\n4%", (1, 1): "40\n89%", (2, 1): "3\n7%"},
        **{(0, 2): "0\n0%", (1, 2): "0\n0%", (2, 2): "0\n0%"},
    }
    np.testing.assert_allclose(np.asarray(axis.images[0].get_array())[1], np.array([2, 40, 3]) / 45)
    assert [label.get_text() for label in axis.get_xticklabels()] == ["a", "b", "c"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b", "c"]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted class", "true class")


def test_ced_curve_reaches_one() -> None:
    axis = ced_curve_figure(np.array([0.03, 0.01, 0.2, 0.04]), np.array([0.4, 0.1]), "errors").axes[0]
    assert curves(axis) == {
        # (0.9 + 0.7 + 0.6 + 0) / 4
        "model, AUC up to 10%: 0.550": [(0.01, 0.25), (0.03, 0.5), (0.04, 0.75), (0.2, 1)],
        "mean face, AUC up to 10%: 0.000": [(0.1, 0.5), (0.4, 1)],
    }


def test_learning_curves_mark_the_best_epochs() -> None:
    axis = learning_figure([1, 2, 3], {"training": [3, 2, 1], "validation": [3, 2.5, 4]}, [2, 3], "a title").axes[0]
    assert curves(axis) == {"training": [(1, 3), (2, 2), (3, 1)], "validation": [(1, 3), (2, 2.5), (3, 4)]}
    assert [np.asarray(line.get_xdata()).tolist() for line in axis.lines[2:]] == [[2, 2], [3, 3]]
    assert [text.get_text() for text in axis.texts] == ["best epoch: 2", "best epoch: 3"]
    assert axis.get_title() == "a title"


def whiskers(axis: Axes, number: int, along: int = 0) -> list[list[float]]:
    """The ends of the intervals of one series, in x or, along 1, in y; none for a point at NaN."""
    segments = [np.asarray(path) for path in axis.containers[number][2][0].get_segments()]
    return [segment[:, along].round(6).tolist() for segment in segments if len(segment)]


def boxes(axis: Axes) -> list[Rectangle]:
    return [patch for patch in axis.patches if isinstance(patch, Rectangle)]


def test_reliability_shows_accuracy_over_confidence_and_counts() -> None:
    figure = reliability_figure(BINS, BINS._replace(accuracy=np.array([np.nan, 0.5, 1])), (0.1, 0.05), "the title")
    before, after, _, faces = figure.axes
    for axis, heights in ((before, [0, 2 / 3, 8 / 9]), (after, [0, 0.5, 1])):
        assert [bar.get_height() for bar in boxes(axis)] == pytest.approx(heights)
        assert [(bar.get_x(), bar.get_width()) for bar in boxes(axis)] == [
            pytest.approx((k / 3, 1 / 3)) for k in range(3)
        ]
        dots, diagonal = axis.lines
        np.testing.assert_allclose(np.asarray(dots.get_xdata()), BINS.confidence)
        np.testing.assert_allclose(np.asarray(dots.get_ydata())[1:], heights[1:])
        assert np.asarray(diagonal.get_xydata()).tolist() == [[0, 0], [1, 1]]
    assert [bar.get_height() for bar in boxes(faces)] == [0, 3, 9]
    assert [axis.get_title() for axis in (before, after)] == [
        "before calibration: ECE 0.100",
        "after calibration: ECE 0.050",
    ]
    assert figure.get_suptitle() == "the title"


def test_risk_is_drawn_over_coverage() -> None:
    axis = risk_coverage_figure(np.array([0.5, 1]), np.array([0.0, 0.25]), 0.125, "risk").axes[0]
    assert curves(axis)["model, AURC 0.1250"] == [(0.5, 0), (1, 0.25)]
    assert "full coverage: 25.0% errors" in curves(axis)
    assert axis.get_xlim() == (0, 1)
    assert axis.get_ylim()[0] == 0


def test_keypoints_are_listed_with_the_worst_at_the_top() -> None:
    axis = per_keypoint_error_figure(KEYPOINTS, POINT_ENDS, "points").axes[0]
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names[-1] == "left eye inner corner"
    assert sorted(names) == sorted(name.replace("_", " ") for name in KEYPOINTS)
    dots = np.asarray(axis.containers[0][0].get_xydata())
    for (value, row), name in zip(dots, names, strict=True):
        np.testing.assert_allclose(value, POINT_ENDS[0, KEYPOINTS.index(name.replace(" ", "_"))])
        assert names[int(row)] == name
    assert whiskers(axis, 0)[-1] == [13.5, 15.5]
    assert axis.get_xlim()[0] == 0


def test_slices_are_listed_from_top_to_bottom_with_their_intervals() -> None:
    axis = slices_figure(SLICES, SLICE_ENDS, 0.72, "accuracy", "slices").axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        f"{property}: {name}" for property, name in SLICES
    ]
    assert (np.diff(axis.get_yticks()) < 0).all()
    assert [np.asarray(container[0].get_xdata()).tolist() for container in axis.containers] == [[0.7, 0.8], [0.9]]
    assert whiskers(axis, 0) == [[0.6, 0.75], [0.75, 0.9]]
    assert whiskers(axis, 1) == [[0.9, 0.9]]
    assert np.asarray(axis.lines[0].get_xdata()).tolist() == [0.72, 0.72]
    assert "accuracy" in axis.get_xlabel()


def test_robustness_lines_start_from_the_clean_value() -> None:
    figure = robustness_figure(LINES, np.array([0.9, 0.85, 0.95]), "accuracy", "robustness")
    axis = figure.axes[0]
    for container, interval in zip(axis.containers, LINES.values(), strict=True):
        assert np.asarray(container[0].get_ydata()).tolist() == [0.9, *interval[0]]
        np.testing.assert_allclose(np.asarray(container[0].get_xdata()), [0, 1, 2, 3], atol=0.1)
    assert whiskers(axis, 0, along=1) == [[0.9, 0.9], [0.7, 0.85], [0.6, 0.75], [0.4, 0.55]]
    assert whiskers(axis, 1, along=1)[1] == [0.9, 0.9]
    assert len({to_hex(container[0].get_color()) for container in axis.containers}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["clean: 0.900", "blur", "noise"]
    band = boxes(axis)[0].get_bbox()
    assert (band.y0, band.y1) == (0.85, 0.95)


@pytest.fixture
def table() -> pd.DataFrame:
    probabilities = np.array([[0.1, 0.2, 0.05, 0.6, 0.05], [0.9, 0.1, 0, 0, 0]])
    return prediction_table(np.array([12, 7]), probabilities, CLASSES, np.arange(60.0).reshape(2, 15, 2))


def test_predictions_have_their_columns_in_order(table: pd.DataFrame) -> None:
    each = [f"probability_{name}" for name in ("anger", "disgust", "sad", "happiness", "surprise")]
    assert table.columns.tolist() == ["row", "emotion", "confidence", *each, *COORDINATES]
    assert table.columns[8:10].tolist() == ["left_eye_center_x", "left_eye_center_y"]


def test_predictions_have_the_most_probable_class(table: pd.DataFrame) -> None:
    assert table["row"].tolist() == [12, 7]
    assert table["emotion"].tolist() == ["happiness", "anger"]
    assert table["confidence"].tolist() == [0.6, 0.9]
    assert table["probability_disgust"].tolist() == [0.2, 0.1]


def test_predicted_points_are_x_then_y(table: pd.DataFrame) -> None:
    assert table["left_eye_center_x"].tolist() == [0, 30]
    assert table["left_eye_center_y"].tolist() == [1, 31]
    assert table["right_eye_center_x"].tolist() == [2, 32]
    assert table["mouth_center_bottom_lip_y"].tolist() == [29, 59]


def test_a_title_fits_over_a_single_image() -> None:
    figure = faces_figure(IMAGES[:1], CAPTIONS[:1], "Predictions: 15 points and an emotion for every face")
    figure.savefig(io.BytesIO())
    title = figure.texts[0].get_window_extent()
    assert 0 <= title.x0 < title.x1 <= figure.bbox.width
