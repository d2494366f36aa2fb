"""With and without: flip averaging, and test faces that training saw the like of. Each gives flat figures."""

from pathlib import Path

import numpy as np

from faces.evaluation.bootstrap import Estimate, estimates
from faces.evaluation.weighted_metrics import difference
from faces.models.tta import averaged
from faces.preparation.leakage import seen
from params import Duplicates
from tasks.common.dataset import Part
from tasks.evaluation.predictions import HEADLINE, Evaluated, flat, keep_table, measure_of, measured


def flip_figures(head: str, test: Part, evaluated: Evaluated, folder: Path) -> dict[str, float]:
    """What flip averaging gains, before any temperature, with intervals; `flip_averaging.csv` lists it."""
    both = averaged(evaluated.plain, evaluated.mirrored)
    variants = {"plain": measured(test, evaluated.plain), "flip_averaged": measured(test, both)}
    gain = estimates(difference(measure_of(test, both), measure_of(test, evaluated.plain)), test.groups)
    rows = [
        {
            "metric": name,
            "plain": float(variants["plain"][name].value),
            "flip_averaged": float(variants["flip_averaged"][name].value),
            "difference": float(gain[name].value),
            "low": float(gain[name].low),
            "high": float(gain[name].high),
        }
        for name in gain
    ]
    headline = "flip-averaged" if evaluated.flip_averaging else "plain"
    told = f"what flip averaging changes; headline figures are {headline}"
    keep_table(rows, folder / "flip_averaging.csv", f"flips-{head}", f"{head}: {told}{test.caution}")
    figures = {**values(variants["plain"], "plain_"), **values(variants["flip_averaged"], "flip_averaged_")}
    return figures | values(gain, "flip_gain_")


def duplicate_figures(
    head: str, train: Part, test: Part, predicted: np.ndarray, settings: Duplicates, folder: Path
) -> dict[str, float]:
    """The metrics on test faces with and without a duplicate in the training part; `duplicates.csv` lists them."""
    alike = seen(test.images, train.images, settings.max_distance, settings.min_correlation)
    # A brightened copy may be bleached past recognition by its pixels; its row gives it away.
    alike |= np.isin(test.rows, train.rows)
    which = {"all": np.ones(len(test), bool), "with_duplicates": alike, "without_duplicates": ~alike}
    found = {name: measured(test[mask], predicted[mask]) for name, mask in which.items() if mask.any()}
    rows = [{"test_faces": name, "faces": int(which[name].sum()), **flat(metrics)} for name, metrics in found.items()]
    told = f"{alike.sum()} of {len(test)} test faces have a copy or near-duplicate in the training part"
    if not alike.any():
        told = f"none of {len(test)} test faces has a copy or near-duplicate in the training part: nothing to leave out"
    keep_table(
        rows,
        folder / "duplicates.csv",
        f"duplicates-in-training-{head}",
        f"{head}: {told}{test.caution}",
        HEADLINE[head],
    )
    figures: dict[str, float] = {"test_rows_with_duplicates": int(alike.sum())}
    for name in ("with_duplicates", "without_duplicates"):
        figures |= values(found[name], f"{name}_") if name in found else {}
    return figures


def values(found: dict[str, Estimate], prefix: str) -> dict[str, float]:
    """Without intervals, which stand in the tables: the metrics file has to stay readable."""
    return {f"{prefix}{name}": float(one.value) for name, one in found.items()}


def table_of(found: dict[str, Estimate], **others: dict[str, float]) -> list[dict[str, object]]:
    """Rows of metric, value and interval, beside each other predictor's value where it has one."""
    return [
        {"metric": name, "value": float(one.value), "low": float(one.low), "high": float(one.high)}
        | {other: figures.get(name, float("nan")) for other, figures in others.items()}
        for name, one in found.items()
    ]
