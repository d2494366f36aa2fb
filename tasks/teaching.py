"""Loads the saved network that another one is taught by."""

from collections.abc import Sequence
from pathlib import Path

import keras

from faces.batches import Teaching
from faces.inference import Inference, combined
from faces.teaching import blended, first_member
from params import Teacher
from tasks.engine import running
from tasks.files import InputError, sha256
from tasks.models import load_network


def teaching_of(network: keras.Model, classes: Sequence[str], settings: Teacher) -> Teaching:
    """What the teacher makes of distorted faces; where it is asked for, `network` begins from the teacher's weights.

    `classes` are the network's, none for key points. Raises InputError for a file that is absent or another than the
    settings name, or a teacher of other faces, classes or outputs than the network's.
    """
    path = Path(settings.file)
    teacher = load_network(path)
    if (found := sha256(path)) != settings.sha256:
        raise InputError(f"{path}: has SHA-256 {found}, not the teacher's {settings.sha256}; set the one that is meant")
    if list(settings.classes) != list(classes):
        here, there = (", ".join(names) or "none" for names in (classes, settings.classes))
        raise InputError(f"{path}: as teacher, has the classes {there}; the answers here are {here}, in this order")
    for side, taught, own in (("faces", network.input, teacher.input), ("outputs", network.output, teacher.output)):
        if taught.shape != own.shape:
            raise InputError(f"{path}: has {side} of shape {own.shape[1:]}, and what it is to teach {taught.shape[1:]}")
    if settings.begin:
        _begin(network, first_member(teacher), path)
    answers, how = running(path, network.input.shape[1]), Inference(settings.flip_averaging)
    return Teaching(
        lambda faces, labels: blended(labels, combined(answers, faces, how), settings.share), settings.rounds
    )


def _begin(network: keras.Model, member: keras.Model, path: Path) -> None:
    shapes, own = ([weights.shape for weights in model.weights] for model in (network, member))
    if shapes != own:
        raise InputError(f"{path}: is not of the widths and depths that `network` asks for; set `begin` to false")
    network.set_weights(member.get_weights())
