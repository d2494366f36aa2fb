"""Batches that threads make ahead are those that come without, each in its place."""

import numpy as np

from benchmarks.ahead import AHEAD, Ahead
from tests.training.test_batches import batches, distorted


def test_they_are_the_same_in_the_same_order() -> None:
    epochs = range(3, 3 + AHEAD)
    plain, ahead = batches(epochs, distort=distorted), Ahead(batches(epochs, distort=distorted))
    assert len(ahead) == len(plain) == 2 * AHEAD
    assert (ahead.steps, ahead.batch_size) == (plain.steps, plain.batch_size)
    for number in range(len(plain)):
        for made, expected in zip(ahead[number], plain[number], strict=True):
            np.testing.assert_array_equal(made, expected)
