"""The learning curves' picture, apart from the others: a change of what training imports trains anew."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


def learning_figure(epochs: Sequence[int], curves: dict[str, list[float]], best: Sequence[int], title: str) -> Figure:
    """Training and validation loss over epochs, the kept ones marked."""
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axis = figure.subplots()
    for name, values in curves.items():
        axis.plot(epochs, values, marker=".", label=name)
    for kept in best:
        axis.axvline(kept, color="black", linewidth=0.6, linestyle=":")
        place = (kept, 0.97)  # x in epochs, y a share of the axis's height
        axis.annotate(
            f"kept: epoch {kept}",
            place,
            xycoords=("data", "axes fraction"),
            ha="right",
            va="top",
            rotation=90,
            fontsize=7,
        )
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel="epoch", ylabel="loss", title=title)
    axis.legend(frameon=False)
    return figure
