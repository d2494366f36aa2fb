"""Weights that a training starts from, and backbones: saved Keras models."""

from pathlib import Path

import keras

from faces.training.distillation import first_of_ensemble
from params import TEACHER
from tasks.common.files import InputError
from tasks.models.keras_files import load_model


def initial_weights(init_from: str | None, teachers: Path) -> Path | None:
    """The file of `init_from`; for `teacher` that of the first teacher, by name, in the folder `teachers`."""
    if init_from != TEACHER:
        return Path(init_from) if init_from else None
    return next(iter(sorted(teachers.glob("*.keras"))), teachers / "NAME.keras")


def initialize_from(model: keras.Model, path: Path) -> None:
    """Give a model the weights of a saved one, of an ensemble those of its first model.

    Raises InputError if the file is absent, or the saved model has other layers, classes or resolutions.
    """
    saved = first_of_ensemble(load_model(path))
    # Output shapes are compared too, because a stride changes no shape of weights.
    own, given = (
        [(layer.output.shape, [weights.shape for weights in layer.weights]) for layer in each.layers]
        for each in (model, saved)
    )
    if own != given:
        raise InputError(
            f"{path}: does not have the layers of `architecture` (output {saved.output.shape[1:]}, needed "
            f"{model.output.shape[1:]}); name a model of the same widths, depths, stem_stride and classes"
        )
    model.set_weights(saved.get_weights())


def load_backbone(path: Path, layer: str | None, frozen: bool) -> keras.Model:
    """A saved model up to the layer of this name, or whole, as the backbone of another model.

    Raises InputError if the file or the layer is absent, if the model takes no image (N, H, W) or (N, H, W, channels),
    or if the layer gives no features (N, channels) or (N, H, W, channels).
    """
    saved = load_model(path)
    names = [each.name for each in saved.layers]
    if layer and layer not in names:
        raise InputError(f"{path}: has no layer {layer!r}; name one of {', '.join(names)}")
    outputs = saved.get_layer(layer).output if layer else saved.output
    if isinstance(saved.input, list | dict) or len(saved.input.shape) not in (3, 4):
        raise InputError(f"{path}: a backbone takes one image (N, H, W) or (N, H, W, channels); save such a model")
    if isinstance(outputs, list | dict) or len(outputs.shape) not in (2, 4):
        raise InputError(
            f"{path}: {layer or 'its output'} gives no feature vector or map; set `layer` to one that does"
        )
    backbone = keras.Model(saved.input, outputs, name="backbone")
    backbone.trainable = not frozen
    return backbone
