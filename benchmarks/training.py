"""Training speed of recipes: faces per second, seconds to a target accuracy on validation faces, and peak memory.

    python -m benchmarks.training [--prepared data/prepared/emotion] [--target 0.55] [--recipes original quick]

Run it after `dvc repro prepare@emotion`. Each recipe of conf/recipe trains in a separate process, one after another, on
the same prepared faces. Times exclude the evaluation, which is on the validation split: test faces are not read. A
recipe's learning rate schedule is that of a short training of `--epochs` epochs: a warmup of six epochs makes no sense
for a training of one. The evaluated weights are those of the last step, not their moving average. Times include the
making of batches, and the batch norm update before each evaluation where a recipe has one.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras

import params
from benchmarks.processes import measured_apart, peak_mb
from benchmarks.tables import print_table
from faces.training.backend import host_backend
from faces.training.batch_norm import batch_norm_updater
from faces.training.optimizer import OptimizerSettings, compile_model
from params import TrainEmotion
from tasks.common.dataset import FaceDataset, load_dataset
from tasks.training.batches import batches_of, training_faces
from tasks.training.builders import batch_norm_samples, build_model, loss_of

EVALUATE_EVERY = 2_000
"""Number of training faces between two evaluations."""
RECIPES = ("sample", "quick", "full", "original")


class Evaluation(NamedTuple):
    """Seconds of training and number of training faces before an evaluation, and the accuracy on validation faces."""

    seconds: float
    num_faces: int
    accuracy: float


class Result(NamedTuple):
    """All evaluations of one recipe, its model's number of parameters, and the process's peak memory."""

    parameters: int
    curve: list[Evaluation]
    peak_mb: float


def shortened(recipe: str, epochs: int) -> TrainEmotion:
    """Return a recipe's settings with another number of epochs."""
    settings = params.load(recipe=recipe).recipe.emotion.student
    return settings.model_copy(update={"epochs": epochs})


def compiled(train: FaceDataset, settings: TrainEmotion, constants: dict[str, float], steps: int) -> keras.Model:
    """Return the recipe's model, compiled for `steps` training steps."""
    keras.utils.set_random_seed(settings.seed)
    model = build_model(train, settings, constants)
    optimizer = OptimizerSettings(**settings.optimizer.model_dump())
    compile_model(model, loss_of(train, settings), [], optimizer, steps)
    return model


def timed(function: Callable[[], object]) -> float:
    """Return the wall-clock time of a call, in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def accuracy_of(model: keras.Model, validation: FaceDataset) -> float:
    """Return the accuracy on the faces of output classes, among these classes."""
    judged = validation.with_output_classes()
    outputs = model.predict(judged.images, batch_size=256, verbose=0)
    return float((outputs[:, validation.output_class_indices].argmax(axis=1) == judged.targets).mean())


def train_until(
    settings: TrainEmotion,
    prepared: Path,
    target: float,
    evaluate_every: int = EVALUATE_EVERY,
    on_evaluation: Callable[[Evaluation], None] = lambda _: None,
) -> Result:
    """Train until the validation accuracy reaches `target`, or to the last epoch; the last step is evaluated too."""
    train, validation = (load_dataset(prepared / f"{name}.npz") for name in ("train", "validation"))
    batches = batches_of(training_faces(train), settings, host_backend())(range(settings.epochs))
    model = compiled(train, settings, json.loads((prepared / "normalization.json").read_text()), len(batches))
    bn_images, update = batch_norm_samples(train, settings), batch_norm_updater(model, host_backend().compiled)
    seconds, curve = 0.0, list[Evaluation]()
    for number in range(len(batches)):
        seconds += timed(lambda: model.train_on_batch(*batches[number]))  # noqa: B023  called at once
        before, num_faces = number * batches.batch_size, (number + 1) * batches.batch_size
        if num_faces // evaluate_every == before // evaluate_every and number + 1 < len(batches):
            continue
        if bn_images is not None:
            seconds += timed(lambda: update(bn_images))
        curve.append(Evaluation(seconds, num_faces, accuracy_of(model, validation)))
        on_evaluation(curve[-1])
        if curve[-1].accuracy >= target:
            break
    return Result(model.count_params(), curve, peak_mb())


def table_row(recipe: str, result: Result) -> list[str]:
    """Return the row of a recipe, from its last evaluation."""
    last = result.curve[-1]
    rate = f"{last.num_faces / last.seconds:.0f}"
    cells = (rate, f"{last.seconds:.1f}", str(last.num_faces), f"{last.accuracy:.3f}")
    return [recipe, f"{result.parameters:,}", *cells, f"{result.peak_mb:.0f}"]


def measured(recipe: str, options: argparse.Namespace) -> Result:
    """Train one recipe in a separate process."""
    names = ("prepared", "target", "epochs", "evaluate_every")
    arguments = [text for name in names for text in (f"--{name.replace('_', '-')}", str(getattr(options, name)))]
    result = measured_apart("benchmarks.training", "--one", recipe, *arguments)
    return Result(**result | {"curve": [Evaluation(*one) for one in result["curve"]]})


def _train_here(options: argparse.Namespace) -> None:
    def report(one: Evaluation) -> None:
        line = f"{options.one}: {one.num_faces} faces, {one.seconds:.1f} s, accuracy {one.accuracy:.3f}"
        print(line, file=sys.stderr)

    settings = shortened(options.one, options.epochs)
    result = train_until(settings, options.prepared, options.target, options.evaluate_every, report)
    print(json.dumps(result._asdict()))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared/emotion"))
    parser.add_argument("--target", type=float, default=0.55)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument(
        "--evaluate-every", type=int, default=EVALUATE_EVERY, help="number of training faces between two evaluations"
    )
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=["original", "quick"])
    parser.add_argument("--one", choices=RECIPES, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        _train_here(options)
        return
    rows = [table_row(recipe, measured(recipe, options)) for recipe in options.recipes]
    columns = ("recipe", "parameters", "faces/s", "seconds", "faces", "accuracy", "peak MB")
    print_table(f"Training to a validation accuracy of {options.target:.0%}", columns, rows)


if __name__ == "__main__":
    main()
