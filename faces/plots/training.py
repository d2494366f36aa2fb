"""The figure of the learning curves, in its own module: a change of a module that `train` imports reruns it."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


def learning_figure(epochs: Sequence[int], curves: dict[str, list[float]], best: Sequence[int], title: str) -> Figure:
    """Training and validation loss over epochs, with the best epochs marked."""
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axis = figure.subplots()
    for name, values in curves.items():
        axis.plot(epochs, values, marker=".", label=name)
    for epoch in best:
        axis.axvline(epoch, color="black", linewidth=0.6, linestyle=":")
        position = (epoch, 0.97)  # x in epochs, y as a fraction of the axis's height
        axis.annotate(
            f"best epoch: {epoch}",
            position,
            xycoords=("data", "axes fraction"),
            ha="right",
            va="top",
            rotation=90,
            fontsize=7,
        )
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel="epoch", ylabel="loss", title=title)
    axis.legend(loc="upper center", frameon=False)
    return figure
