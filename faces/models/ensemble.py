"""Several networks as one, whose output is the mean of theirs."""

from collections.abc import Sequence

import keras
from keras import layers


def mean_network(members: Sequence[keras.Model]) -> keras.Model:
    """One network of the same faces and outputs; of a single member, that itself.

    Networks that began from other weights err differently, so their mean errs less than each (Lakshminarayanan et al.
    2017, Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles).
    """
    if len(members) == 1:
        return members[0]
    inputs = keras.Input(members[0].input.shape[1:], dtype=members[0].input.dtype, name="faces")
    renamed = [
        keras.Model(member.input, member.output, name=f"member{number}") for number, member in enumerate(members, 1)
    ]
    outputs = layers.Average(dtype="float32", name="mean")([member(inputs) for member in renamed])
    return keras.Model(inputs, outputs, name=members[0].name)
