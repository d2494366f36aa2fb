"""Train an emotion recipe on an accelerator, by Keras on JAX, as stage `train@emotion` trains it.

    KERAS_BACKEND=jax python -m benchmarks.accelerator OUT [--project FOLDER] [--precision mixed_bfloat16]

FOLDER holds params.yaml, whose recipe is trained, and data/prepared/emotion. OUT gets `emotion.keras` and, for each
member, `seed-N.npz`: the weights of its best epoch and all epochs. Networks, losses, draws and their order are those of
the stage; so are distortions, statistics and a teacher's answers, compiled. Numbers differ by rounding, and by what
dropout leaves out, which is drawn by JAX. JAX with support for the accelerator is to be installed beside Keras.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import jax
import keras
import numpy as np

import faces.training.trainer
import params
import tasks.training.builders
from benchmarks.ahead import Ahead
from faces.models.ensemble import mean_network
from faces.models.tta import Inference, combined
from faces.training.augmentation import distort_images
from faces.training.batch_norm import STATISTICS_BATCH
from faces.training.batches import Teaching
from faces.training.distillation import blended
from faces.training.optimizer import Descent
from faces.training.trainer import Epoch, fit_network
from params import Teacher, TrainEmotion
from tasks.common.dataset import Part, joined, load_part
from tasks.models.keras_files import save_network
from tasks.training.builders import (
    answering_network,
    batches_of,
    built_network,
    class_shares,
    load_teacher,
    loss_of,
    statistics_of,
)


def compiled_statistics() -> Callable[[keras.Model, np.ndarray], None]:
    """`faces.training.batch_norm.renew_statistics`, its step compiled once a network instead of run layer by layer."""
    steps: dict[int, Callable] = {}

    def renew(network: keras.Model, images: np.ndarray) -> None:
        kept = network.non_trainable_variables
        if id(network) not in steps:
            steps[id(network)] = _statistics_step(network)
        batches = np.split(images, range(STATISTICS_BATCH, len(images), STATISTICS_BATCH))
        trained = [variable.value for variable in network.trainable_variables]
        before = [variable.value for variable in kept]
        found = [steps[id(network)](trained, before, batch) for batch in batches]
        for number, variable in enumerate(kept):
            if "moving_" in variable.path:
                variable.assign(np.mean([np.asarray(of[number]) for of in found], axis=0))

    return renew


def _statistics_step(network: keras.Model) -> Callable:
    """What batch normalisation sees in one batch, no face distorted and nothing dropped out."""
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    dropouts = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]

    @jax.jit
    def step(trained, kept, batch):
        momenta, rates = [layer.momentum for layer in norms], [layer.rate for layer in dropouts]
        for layer in norms:
            layer.momentum = 0.0
        for layer in dropouts:
            layer.rate = 0.0
        _, seen = network.stateless_call(trained, kept, batch, training=True)
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
        for layer, rate in zip(dropouts, rates, strict=True):
            layer.rate = rate
        return seen

    return step


def compiled_answers(network: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    trained = [variable.value for variable in network.trainable_variables]
    kept = [variable.value for variable in network.non_trainable_variables]
    run = jax.jit(lambda images: network.stateless_call(trained, kept, images, training=False)[0])
    return lambda images: np.asarray(run(images), np.float32)


def teaching(project: Path, train: Part, constants: dict[str, float], settings: TrainEmotion, by: Teacher) -> Teaching:
    """By a saved network, which is refused as the stage refuses it."""
    pupil = built_network(train, settings, constants)
    teacher = load_teacher(project / by.file, pupil, train.classes.tolist(), by)
    run, how = compiled_answers(teacher), Inference(by.flip_averaging)
    return Teaching(lambda images, labels: blended(labels, combined(run, images, how), by.share), by.rounds)


def train_member(
    train: Part,
    validation: Part,
    constants: dict[str, float],
    settings: TrainEmotion,
    taught: Teaching | None,
    tell: Callable[[Epoch], None],
) -> tuple[keras.Model, list[Epoch]]:
    """One network, in the precision that is set, with the weights of its best epoch."""
    keras.utils.set_random_seed(settings.seed)
    network = built_network(train, settings, constants)
    make = batches_of(train, settings, taught)
    epochs = fit_network(
        network,
        lambda epochs: Ahead(make(epochs)),
        (validation.images, class_shares(validation)),
        loss=loss_of(train, settings),
        metrics=["accuracy"],
        descent=Descent(**settings.descent.model_dump(exclude={"batch_size", "statistics_faces"})),
        statistics=statistics_of(train, settings),
        tell=tell,
        keep=lambda _: None,
    )
    return network, epochs


def in_full_precision(
    network: keras.Model, train: Part, constants: dict[str, float], settings: TrainEmotion
) -> keras.Model:
    """The same weights in a network that computes in float32, with statistics taken by it."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    exact = built_network(train, settings, constants)
    keras.config.set_dtype_policy(policy)
    exact.set_weights(network.get_weights())
    if (images := statistics_of(train, settings)) is not None:
        faces.training.batch_norm.renew_statistics(exact, images)
    return exact


def write_member(path: Path, network: keras.Model, epochs: list[Epoch]) -> None:
    arrays = {f"best_{k:04}": np.asarray(variable) for k, variable in enumerate(network.variables)}
    about = np.array(json.dumps([epoch._asdict() for epoch in epochs]))
    np.savez(path, allow_pickle=False, epochs=about, **arrays)


def compile_what_the_stage_runs_eagerly() -> None:
    vars(tasks.training.builders)["distort_images"] = jax.jit(distort_images)
    vars(faces.training.trainer)["renew_statistics"] = compiled_statistics()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"], default="mixed_bfloat16")
    options = parser.parse_args()
    if keras.backend.backend() != "jax":
        parser.error("set KERAS_BACKEND=jax")
    settings: TrainEmotion = params.load(options.project / "params.yaml").train.chosen.emotion
    prepared = options.project / "data/prepared/emotion"
    train, validation = (
        joined([load_part(prepared / f"{name}.npz") for name in names])
        for names in (("train", "augmented"), ("validation",))
    )
    constants = json.loads((prepared / "normalisation.json").read_text())
    compile_what_the_stage_runs_eagerly()
    taught = None
    if settings.teacher:
        train, validation = train.in_terms_of_answers(), validation.answered()
        if settings.teacher.begin:
            raise SystemExit("a teacher's weights are not begun from here; set `begin` to false")
        taught = teaching(options.project, train, constants, settings, settings.teacher)
    keras.config.set_dtype_policy(options.precision)
    options.out.mkdir(parents=True, exist_ok=True)
    networks = []
    for number in range(settings.members):
        alone = settings.model_copy(update={"seed": settings.seed + number, "members": 1})
        network, epochs = train_member(train, validation, constants, alone, taught, print)
        exact = in_full_precision(network, train, constants, alone)
        write_member(options.out / f"seed-{alone.seed}.npz", exact, epochs)
        networks.append(answering_network(f"seed {alone.seed}", exact, train, validation, settings))
    save_network(mean_network(networks), options.out / "emotion.keras")


if __name__ == "__main__":
    main()
