"""A worse challenger is rejected by the metrics in which it is worse; an equal one is not rejected."""

from collections.abc import Sequence

import numpy as np
import pytest

from faces.release.champion_challenger import Comparison, emotion_comparisons, holm_correct, keypoint_comparisons

CLASSES = ("anger", "disgust", "sad", "happiness", "surprise")
FRACTIONS = np.array([0.19, 0.03, 0.26, 0.36, 0.16])
ACCURACY, RECALL = 0.005, 0.02
"""The tolerances."""


def results(generator: np.random.Generator, rows: int, drop: float, discordance: float = 0.15, accuracy: float = 0.82):
    """Labels (N,), and whether champion and challenger are correct; the expected accuracy falls by `drop`."""
    labels = generator.choice(len(CLASSES), rows, p=FRACTIONS)
    champion = generator.random(rows) < accuracy
    lost, won = (discordance + drop) / 2 / accuracy, (discordance - drop) / 2 / (1 - accuracy)
    challenger = np.where(champion, generator.random(rows) >= lost, generator.random(rows) < won)
    return labels, champion, challenger


def probabilities(labels: np.ndarray, correct: np.ndarray) -> np.ndarray:
    return np.eye(len(CLASSES))[np.where(correct, labels, (labels + 1) % len(CLASSES))]


def rejected(labels: np.ndarray, champion: np.ndarray, challenger: np.ndarray, groups: np.ndarray | None = None):
    """The metrics by which the challenger is rejected, after Holm's correction."""
    outputs = probabilities(labels, champion), probabilities(labels, challenger)
    groups = np.arange(len(labels)) if groups is None else groups
    comparisons = emotion_comparisons(labels, *outputs, groups, CLASSES, accuracy=ACCURACY, recall=RECALL)
    return [one.metric for one in holm_correct(comparisons) if one.rejected]


def rejections(drop: float, trials: int) -> int:
    return sum(bool(rejected(*results(np.random.default_rng(trial), 2000, drop))) for trial in range(trials))


def test_a_drop_of_five_points_is_rejected_and_an_equal_challenger_is_not() -> None:
    """The acceptance tests run a hundred trials of each."""
    assert rejections(0.05, 10) == 10
    assert rejections(0.0, 10) <= 1


def test_the_class_that_became_worse_is_named() -> None:
    labels, champion, _ = results(np.random.default_rng(1), 1500, 0)
    challenger = champion & (labels != 4)
    assert rejected(labels, champion, challenger) == ["accuracy", "recall of surprise"]
    # The rarest class has little effect on the accuracy, and others may even raise it.
    challenger = np.where(labels == 1, False, champion | (np.arange(1500) % 5 == 0))
    assert rejected(labels, champion, challenger) == ["recall of disgust"]


def test_a_better_and_an_identical_challenger_pass() -> None:
    labels, champion, _ = results(np.random.default_rng(2), 800, 0)
    assert rejected(labels, champion, champion) == []
    assert rejected(labels, champion, np.ones(800, bool)) == []


def test_a_drop_within_the_tolerance_is_not_rejected() -> None:
    labels, champion, _ = results(np.random.default_rng(3), 2000, 0)
    challenger = champion.copy()
    challenger[np.flatnonzero(champion)[:8]] = False
    assert rejected(labels, champion, challenger) == []


def test_images_of_one_subject_are_not_independent() -> None:
    labels, champion, challenger = results(np.random.default_rng(4), 2000, 0.05)
    assert rejected(labels, champion, challenger)
    assert rejected(labels, champion, challenger, np.arange(2000) // 500) == []


@pytest.mark.parametrize(("faces", "decides"), [(1, False), (3, False), (8, True)])
def test_a_class_of_very_few_images_rejects_nothing(faces: int, decides: bool) -> None:
    """The champion predicts all of them correctly, the challenger none."""
    labels = np.where(np.arange(2400) < faces, 1, 3)
    champion = np.ones(2400, bool)
    assert rejected(labels, champion, labels != 1) == (["recall of disgust"] if decides else [])


def test_a_class_without_test_images_is_omitted() -> None:
    labels = np.array([0, 2, 3] * 20)
    outputs = probabilities(labels, np.ones(60, bool))
    found = emotion_comparisons(labels, outputs, outputs, np.arange(60), CLASSES, accuracy=ACCURACY, recall=RECALL)
    assert [one.metric for one in found] == ["accuracy", "recall of anger", "recall of sad", "recall of happiness"]


@pytest.mark.parametrize(("noise", "worse"), [(1.0, False), (1.6, True), (0.5, False)])
def test_points_with_larger_errors_are_worse(noise: float, worse: bool) -> None:
    generator = np.random.default_rng(5)
    points = generator.uniform(20, 76, (300, 15, 2))
    points[:, :2] = [[66, 36], [30, 36]]
    champion, challenger = (points + generator.normal(0, one, points.shape) for one in (1.0, noise))
    (found,) = holm_correct(keypoint_comparisons(points, champion, challenger, np.arange(300), nme=0.001))
    assert (found.metric, found.rejected) == ("nme", worse)
    assert found.low < found.worse < found.high
    assert found.worse == pytest.approx(found.challenger - found.champion)


def comparisons_of(ps: Sequence[float]) -> list[Comparison]:
    return [Comparison("emotion", f"{index}", 1, 1, 0, 0, 0, 0, p) for index, p in enumerate(ps)]


@pytest.mark.parametrize(
    ("ps", "expected"),
    [
        # Compared with 0.05 / 3, 0.05 / 2, 0.05 / 1, the smallest first, until one is above its level.
        ([0.01, 0.02, 0.04], [True, True, True]),
        ([0.04, 0.01, 0.03], [False, True, False]),
        ([0.02, 0.02, 0.02], [False, False, False]),
        ([0.0166, 0.9, 0.026], [True, False, False]),
        ([], []),
    ],
)
def test_holm_by_hand(ps: list[float], expected: list[bool]) -> None:
    assert [one.rejected for one in holm_correct(comparisons_of(ps))] == expected
