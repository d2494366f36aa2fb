"""Loads the saved network that another one is taught by."""

from collections.abc import Sequence
from pathlib import Path

import keras

from faces.models.tta import Inference, combined
from faces.training.batches import Teaching
from faces.training.distillation import blended, first_member
from params import Teacher
from tasks.common.files import InputError
from tasks.models.inference_engine import running
from tasks.training.builders import load_teacher


def teaching_of(network: keras.Model, classes: Sequence[str], settings: Teacher) -> Teaching:
    """What the teacher makes of distorted faces; where it is asked for, `network` begins from the teacher's weights.

    `classes` are the network's, none for key points. Raises InputError as `load_teacher` does, and for weights that
    cannot be begun from.
    """
    path = Path(settings.file)
    teacher = load_teacher(path, network, classes, settings)
    if settings.begin:
        _begin(network, first_member(teacher), path)
    answers, how = running(path, network.input.shape[1]), Inference(settings.flip_averaging)
    return Teaching(
        lambda faces, labels: blended(labels, combined(answers, faces, how), settings.share), settings.rounds
    )


def _begin(network: keras.Model, member: keras.Model, path: Path) -> None:
    # Strides have no weights, but outputs.
    shapes, own = (
        [(layer.output.shape, [weights.shape for weights in layer.weights]) for layer in model.layers]
        for model in (network, member)
    )
    if shapes != own:
        raise InputError(
            f"{path}: is not of the widths, depths and halvings that `network` asks for; set `begin` to false"
        )
    network.set_weights(member.get_weights())
