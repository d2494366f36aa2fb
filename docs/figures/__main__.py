"""Measure and draw the figures of docs/explanation/networks.md: `python -m docs.figures [NAME ...]`.

Takes minutes on two cores. Writes each figure to docs/networks-NAME.png, and prints its measurements.
"""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from tasks.common.files import replacing

FIGURES = {"gradients": "depth", "depth": "depth", "descent": "descent", "blocks": "blocks", "positions": "positions"}
"""The module of each figure; imported only when it is drawn, since some need no TensorFlow."""


def draw(name: str, folder: Path, **sizes: object) -> tuple[Path, str]:
    """Write one figure; returns its path and its measurements as text. `sizes` override the sizes of the docs."""
    make: Callable = getattr(import_module(f"docs.figures.{FIGURES[name]}"), f"{name}_figure")
    figure, measurements = make(**sizes)
    path = folder / f"networks-{name}.png"
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=130, facecolor="white")
    return path, measurements


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FIGURES)}; all by default")
    parser.add_argument("--folder", type=Path, default=Path("docs"))
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(FIGURES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    for name in options.names or FIGURES:
        _, measurements = draw(name, options.folder)
        print(f"{name}: {measurements}", flush=True)


if __name__ == "__main__":
    main()
