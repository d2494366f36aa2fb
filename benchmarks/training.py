"""How fast two recipes learn, side by side: faces a second, seconds to an accuracy on test faces, and peak memory.

    python -m benchmarks.training [--prepared data/prepared/emotion] [--target 0.55] [--recipes original quick]

Run it after `dvc repro prepare@emotion`. Each recipe of params.yaml trains in a process of its own, one after
another, on the same prepared faces; the clock stands still while test faces are predicted. A recipe's
learning-rate schedule is that of a short training, `--epochs` long: nobody would warm up for six epochs to train one.
The weights judged are those of the last step, not their running mean; the time includes making each batch, and taking
batch normalisation's statistics anew before each look, where a recipe does so before it is judged.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import keras
from rich.console import Console
from rich.table import Table

import params
from faces.training.batch_norm import renew_statistics
from faces.training.optimizer import Descent, compile_network
from tasks.common.dataset import load_part
from tasks.training.builders import batches_of, built_network, loss_of, statistics_of

JUDGED_EVERY = 2_000
"""Training faces between two looks at the test faces."""


def race(recipe: str, prepared: Path, target: float, epochs: int) -> dict[str, object]:
    """Train until `target` of the test faces are right; `curve` has seconds, faces and accuracy at each look."""
    settings = getattr(params.load().train, recipe).emotion
    settings = settings.model_copy(update={"descent": settings.descent.model_copy(update={"epochs": epochs})})
    train, test = load_part(prepared / "train.npz"), load_part(prepared / "test.npz")
    keras.utils.set_random_seed(settings.seed)
    network = built_network(train, settings, json.loads((prepared / "normalisation.json").read_text()))
    data = batches_of(train, settings)(range(epochs))
    descent = Descent(**settings.descent.model_dump(exclude={"batch_size", "statistics_faces"}))
    compile_network(network, loss_of(train, settings), [], descent, len(data))
    statistics = statistics_of(train, settings)
    seconds, faces, curve = 0.0, 0, []
    for number in range(len(data)):
        began = time.perf_counter()
        network.train_on_batch(*data[number])
        seconds += time.perf_counter() - began
        faces += data.batch_size
        if faces // JUDGED_EVERY > (faces - data.batch_size) // JUDGED_EVERY:
            began = time.perf_counter()
            if statistics is not None:
                renew_statistics(network, statistics)
            seconds += time.perf_counter() - began
            outputs = network.predict(test.images, batch_size=256, verbose=0)
            predicted = outputs[:, train.columns].argmax(axis=1)
            curve.append((seconds, faces, float((predicted == test.targets).mean())))
            print(f"{recipe}: {faces} faces, {seconds:.1f} s, accuracy {curve[-1][2]:.3f}", file=sys.stderr)
            if curve[-1][2] >= target:
                break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"parameters": network.count_params(), "curve": curve, "peak_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepared", type=Path, default=Path("data/prepared/emotion"))
    parser.add_argument("--target", type=float, default=0.55)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument(
        "--recipes", nargs="+", choices=["sample", "quick", "full", "original"], default=["original", "quick"]
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(race(options.one, options.prepared, options.target, options.epochs)))
        return
    table = Table(title=f"Training until {options.target:.0%} of the test faces are right", title_justify="left")
    for column in ("recipe", "parameters", "faces/s", "seconds", "faces", "accuracy", "peak MB"):
        table.add_column(column)
    arguments = ["--prepared", str(options.prepared), "--target", str(options.target), "--epochs", str(options.epochs)]
    for recipe in options.recipes:
        command = [sys.executable, "-m", "benchmarks.training", "--one", recipe, *arguments]
        result = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
        seconds, faces, accuracy = result["curve"][-1]
        figures = (
            f"{faces / seconds:.0f}",
            f"{seconds:.1f}",
            str(faces),
            f"{accuracy:.3f}",
            f"{result['peak_mb']:.0f}",
        )
        table.add_row(recipe, f"{result['parameters']:,}", *figures)
    Console().print(table)


if __name__ == "__main__":
    main()
