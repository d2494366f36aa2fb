"""Models of earlier versions, rebuilt from layers of Keras's own."""

import keras

from faces.models.ensemble import ensemble
from faces.models.spatial_softmax import SoftArgmax, spatial_softmax


def portable(model: keras.Model) -> keras.Model:
    """A model with `spatial_softmax` in place of each SoftArgmax, of an ensemble's members too; else `model` itself."""
    members = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    replaced = [portable(member) for member in members]
    if replaced != members:
        joined = ensemble(replaced)
        return keras.Model(joined.input, joined.output, name=model.name)
    last = model.layers[-1]
    if not isinstance(last, SoftArgmax):
        return model
    return keras.Model(model.input, spatial_softmax(last.input, last.stride), name=model.name)
