"""Train an emotion recipe on an accelerator, by Keras on JAX, as stage `train@emotion` trains it.

    KERAS_BACKEND=jax python -m benchmarks.accelerator OUT [--project FOLDER] [--precision mixed_bfloat16]

FOLDER contains params.yaml, conf and data/prepared/emotion. Writes into OUT `emotion.keras` and,
for each member, `seed-N.npz`: the weights of its best epoch, and all epochs. Models, losses and random augmentation
parameters are those of the stage; augmentation, batch norm updates and a teacher's predictions are compiled. Results
differ by rounding, and by the units that dropout drops, which JAX samples. JAX with support for the accelerator must be
installed beside Keras.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tasks.common.files import InputError

NO_JAX = (
    "JAX is not installed; install it beside Keras, with support for the accelerator, such as `jax[cuda13]` for NVIDIA"
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"], default="mixed_bfloat16")
    options = parser.parse_args(arguments)
    # Before Keras is imported, which fails without its backend.
    if find_spec("jax") is None:
        parser.error(NO_JAX)
    import keras

    if keras.backend.backend() != "jax":
        parser.error("Keras uses another backend; set KERAS_BACKEND=jax")
    from benchmarks.accelerator_compilation import compile_eager_steps, compiled_predict
    from benchmarks.accelerator_training import train_recipe

    compile_eager_steps()
    try:
        train_recipe(options.project, options.out, options.precision, compiled_predict, print)
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
