"""Measure and draw the figures of docs/networks.md, some minutes on two cores: `python -m benchmarks.explanations`.

Each is written as docs/networks-NAME.png; what was measured is printed. With names, only those.
"""

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

FIGURES = {"gradients": "depth", "depth": "depth", "descent": "descent", "blocks": "blocks", "positions": "positions"}
"""The module that draws each; imported when its turn comes, for some need no TensorFlow."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FIGURES)}; all by default")
    parser.add_argument("--folder", type=Path, default=Path("docs"))
    options = parser.parse_args()
    if unknown := set(options.names) - set(FIGURES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    for name in options.names or FIGURES:
        draw: Callable = getattr(import_module(f"benchmarks.explanations.{FIGURES[name]}"), f"{name}_figure")
        figure, measured = draw()
        figure.savefig(options.folder / f"networks-{name}.png", dpi=130, facecolor="white")
        print(f"{name}: {measured}", flush=True)


if __name__ == "__main__":
    main()
