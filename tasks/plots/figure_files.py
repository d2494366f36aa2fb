"""Writes figures as PNG files."""

from pathlib import Path

from matplotlib.figure import Figure

from tasks.common.files import replacing
from tasks.orchestration.artifacts import log_figure


def save_figure(figure: Figure, path: Path, key: str, description: str) -> None:
    """Write a figure as PNG and log it."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    log_figure(key, path, description)
