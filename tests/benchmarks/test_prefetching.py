"""Prefetched batches equal batches without prefetching, in the same order."""

import numpy as np

from benchmarks.prefetching import AHEAD, Prefetching
from tests.training.test_batches import augmented, batches


def test_prefetched_batches_are_the_same_in_the_same_order() -> None:
    epochs = range(3, 3 + AHEAD)
    plain, prefetched = batches(epochs, augment=augmented), Prefetching(batches(epochs, augment=augmented))
    assert len(prefetched) == len(plain) == 2 * AHEAD
    assert (prefetched.steps, prefetched.batch_size) == (plain.steps, plain.batch_size)
    for number in range(len(plain)):
        for actual, expected in zip(prefetched[number], plain[number], strict=True):
            np.testing.assert_array_equal(actual, expected)
