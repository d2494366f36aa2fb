"""An ensemble: one model whose output is the mean of several models' outputs."""

from collections.abc import Sequence

import keras
from keras import layers


def ensemble(models: Sequence[keras.Model]) -> keras.Model:
    """The mean of models of the same input and output shapes; a single model is returned as it is.

    Models from different initial weights make different errors, so their mean has a lower error than each of them
    (Lakshminarayanan et al. 2017, Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles).
    """
    if len(models) == 1:
        return models[0]
    inputs = keras.Input(models[0].input.shape[1:], dtype=models[0].input.dtype, name="faces")
    renamed = [keras.Model(model.input, model.output, name=f"member{number}") for number, model in enumerate(models, 1)]
    outputs = layers.Average(dtype="float32", name="mean")([model(inputs) for model in renamed])
    return keras.Model(inputs, outputs, name=models[0].name)
