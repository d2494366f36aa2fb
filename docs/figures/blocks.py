"""The original's convolution block and our basic block, with the names of their layers."""

from itertools import pairwise

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from docs.figures.look import INK, PALE

CONVOLUTION, POOLING, NORM, RELU, SUM = "#8ecae6", "#ffd166", "#e9ecef", "#b7e4c7", "#f4a6a6"

ORIGINAL = {
    "title": "the original's convolution block: a bottleneck",
    "prefix": "stage2_a",
    "main": [
        ("main1_conv", "1x1 convolution, 64", CONVOLUTION),
        ("main1_pool", "2x2 max pooling", POOLING),
        ("main1_bn", "batch normalization", NORM),
        ("main1_relu", "ReLU", RELU),
        ("main2_conv", "3x3 convolution, 64", CONVOLUTION),
        ("main2_bn", "batch normalization", NORM),
        ("main2_relu", "ReLU", RELU),
        ("main3_conv", "1x1 convolution, 256", CONVOLUTION),
        ("main3_bn", "batch normalization", NORM),
    ],
    "short": [
        ("short_conv", "1x1 convolution, 256", CONVOLUTION),
        ("short_pool", "2x2 max pooling", POOLING),
        ("short_bn", "batch normalization", NORM),
    ],
}
OURS = {
    "title": "our basic block, with stride 2",
    "prefix": "stage2_block1",
    "main": [
        ("main1_conv", "3x3 convolution, stride 2", CONVOLUTION),
        ("main1_bn", "batch normalization", NORM),
        ("main1_relu", "ReLU", RELU),
        ("main2_conv", "3x3 convolution", CONVOLUTION),
        ("main2_bn", "batch normalization", NORM),
    ],
    "short": [
        ("short_pool", "2x2 average pooling", POOLING),
        ("short_conv", "1x1 convolution", CONVOLUTION),
        ("short_bn", "batch normalization", NORM),
    ],
}
END = [("sum", "add", SUM), ("relu", "ReLU", RELU)]
MAIN_X, SHORT_X, JOINT_X, WIDE, HIGH = 0.0, 3.3, 1.65, 2.9, 0.72


def layer_names(block: dict) -> list[str]:
    """Return the names of the block's layers, as in the models."""
    return [f"{block['prefix']}_{name}" for name, _, _ in [*block["main"], *block["short"], *END]]


def blocks_figure() -> tuple[Figure, str]:
    """Draw both blocks from top to bottom, the main path on the left, the shortcut on the right."""
    figure = Figure(figsize=(10, 7.2), layout="constrained")
    for axis, block in zip(figure.subplots(1, 2), (ORIGINAL, OURS), strict=True):
        axis.set(xlim=(-1.6, 4.9), ylim=(-12.0, 1.5))
        axis.set_title(f"{block['title']}", fontsize=11, color=INK)
        axis.text(JOINT_X, 1.2, f"layers {block['prefix']}_…", ha="center", fontsize=8.5, color=INK, family="monospace")
        axis.axis("off")
        _draw_block(axis, block)
    return figure, ", ".join(layer_names(ORIGINAL)[:2]) + " and so on, as in the models"


def _draw_block(axis, block: dict) -> None:
    bottom = -1.5 - len(block["main"])
    _box(axis, JOINT_X, 0.6, ("", "input", PALE))
    for x, path in ((MAIN_X, block["main"]), (SHORT_X, block["short"])):
        # The shortcut's boxes are centred on the height of the main path.
        first = -1.0 - (len(block["main"]) - len(path)) / 2
        heights = [first - number for number in range(len(path))]
        _arrow(axis, (JOINT_X, 0.6 - HIGH / 2), (x, heights[0] + HIGH / 2))
        for height, layer in zip(heights, path, strict=True):
            _box(axis, x, height, layer)
        for above, below in pairwise(heights):
            _arrow(axis, (x, above - HIGH / 2), (x, below + HIGH / 2))
        _arrow(axis, (x, heights[-1] - HIGH / 2), (JOINT_X, bottom + HIGH / 2))
    _box(axis, JOINT_X, bottom, END[0])
    _arrow(axis, (JOINT_X, bottom - HIGH / 2), (JOINT_X, bottom - 1 + HIGH / 2))
    _box(axis, JOINT_X, bottom - 1, END[1])


def _box(axis, x: float, y: float, layer: tuple[str, str, str]) -> None:
    name, text, colour = layer
    corner, rounded = (x - WIDE / 2, y - HIGH / 2), "round,pad=0,rounding_size=0.12"
    axis.add_patch(FancyBboxPatch(corner, WIDE, HIGH, rounded, facecolor=colour, edgecolor=INK, linewidth=0.8))
    axis.text(x, y + (0.13 if name else 0), text, ha="center", va="center", fontsize=8.5, color=INK)
    axis.text(x, y - 0.19, name, ha="center", va="center", fontsize=7, color=INK, family="monospace")


def _arrow(axis, start: tuple[float, float], end: tuple[float, float]) -> None:
    axis.annotate(
        "", end, start, arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
    )
