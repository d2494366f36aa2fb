"""Reads the files of an earlier version of this project: gate results, published metrics, lists of scored files.

`python -m tasks.models.old_layout FILE...` rewrites gate results and metrics in the current layout; a gate result
becomes `gate.json`.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from tasks.common.files import InputError, replacing

GATE_RESULT = "verdict.json"
REMEDY = "give a verdict.json or a metrics file as the earlier version wrote it"
PROCESSED_LISTS = "data/from_inbox/*/arrived.csv"
"""Lists of the files that the inbox scored; the columns are the current ones."""

BOUNDS = {"not surely over": "no slice above", "not surely under": "no slice below"}
AUGMENTATION = {
    "mirror": "horizontal_flip",
    "rotation": "degrees",
    "shift": "translate",
    "blur": "blur_sigma",
    "noise": "noise_std",
    "erase": "random_erasing",
    "mixup": "mixup_alpha",
    "cutmix": "cutmix_alpha",
}
OPTIMIZER = {
    "optimizer": "name",
    "learning_rate": "learning_rate",
    "weight_decay": "weight_decay",
    "warmup": "warmup_ratio",
    "ema": "ema_decay",
}
DISTILLATION = {
    "share": "teacher_weight",
    "rounds": "cached_epochs",
    "flip_averaging": "flip_tta",
    "begin": "init_from_teacher",
}
METRICS = (
    ("^test_rows_with_duplicates$", "num_test_samples_with_train_duplicates"),
    ("^(with|without)_duplicates_", r"\1_train_duplicates_"),
    ("^plain_", "no_tta_"),
    ("^flip_averaged_", "flip_tta_"),
    ("^flip_gain_", "flip_tta_delta_"),
    ("^flip_averaging$", "flip_tta"),
    ("^protocol$", "strategy"),
    ("^leaking$", "is_leaky"),
    ("^test_rows$", "num_test_samples"),
    ("^test_groups$", "num_test_groups"),
    ("error_curve_auc", "ced_auc_at_010"),
    ("failure_rate", "failure_rate_at_010"),
)
LOSS = {"smoothing": "label_smoothing", "adjustment": "logit_adjustment_tau", "refit_biases": "bias_correction"}


def is_old(content: dict[str, Any]) -> bool:
    """Whether a gate result, as read from JSON, has the earlier layout."""
    return "rules" in content


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """A gate result of the earlier version in the current layout. Values, hashes and order do not change."""
    checks = [_check(rule) for rule in content["rules"]]
    models = {name: _model(model) for name, model in content["models"].items()}
    outcome = _outcome(content["outcome"])
    rest = {key: value for key, value in content.items() if key not in ("outcome", "rules", "models")}
    return {"outcome": outcome, "passed": rest.pop("passed"), "checks": checks, **rest, "models": models}


def _outcome(outcome: str) -> str:
    return "inconclusive" if outcome == "undecided" else outcome


def _check(rule: dict[str, Any]) -> dict[str, Any]:
    renamed = _renamed(rule, {"head": "model", "rule": "check"})
    return renamed | {"bound": BOUNDS.get(rule["bound"], rule["bound"]), "outcome": _outcome(rule["outcome"])}


def _model(model: dict[str, Any]) -> dict[str, Any]:
    new = _renamed(model, {"flip_averaging": "flip_tta"})
    if "data" in model:
        new["data"] = _renamed(model["data"], {"normalisation.json": "normalization.json"})
    if "recipe" in model:
        new["recipe"] = _recipe(model["recipe"])
    return new


def _recipe(old: dict[str, Any]) -> dict[str, Any]:
    """Training settings of one model, as `params.TrainKeypoints` or `params.TrainEmotion` take them.

    `loss.bias_correction` is none of these: it says whether the biases in the model file were corrected.
    """
    network, descent, teacher, loss = old["network"], old["descent"], old.get("teacher"), old["loss"]
    architecture = _renamed(network, {"kind": "name", "halvings": "stem_stride"})
    if "halvings" in network:
        architecture["stem_stride"] = 2 ** network["halvings"]
    return {
        "seed": old["seed"],
        "ensemble_size": old["members"],
        "architecture": architecture,
        **{name: descent[name] for name in ("epochs", "batch_size", "patience")},
        "bn_update_samples": descent["statistics_faces"],
        "optimizer": {new: descent[name] for name, new in OPTIMIZER.items()},
        "distillation": _renamed(teacher, DISTILLATION) if teacher else None,
        "loss": _renamed(loss, LOSS) if isinstance(loss, dict) else {"squared": "mse"}.get(loss, loss),
        "augmentation": _renamed(old["distortion"], AUGMENTATION),
    }


def _renamed(old: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in old.items()}


def upgraded_metrics(content: dict[str, Any]) -> dict[str, Any]:
    """The metrics of an earlier version in the current layout."""
    new = {_metric(name): value for name, value in content.items()}
    return new | {"strategy": {"grouped": "group", "official": "predefined"}.get(new["strategy"], new["strategy"])}


def _metric(name: str) -> str:
    for pattern, replacement in METRICS:
        name = re.sub(pattern, replacement, name)
    return name


def upgrade_file(path: Path) -> Path:
    """Rewrite a gate result, as `gate.json`, or a metrics file; returns its path.

    Raises InputError for any other file. A file that cannot be upgraded does not change.
    """
    content = _read(path)
    try:
        if is_old(content):
            out, new = path.with_name("gate.json"), upgraded(content)
        else:
            out, new = path, upgraded_metrics(content)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a complete file of the earlier version ({error!r}); {REMEDY}") from None
    with replacing(out) as temporary:
        temporary.write_text(json.dumps(new, indent=2) + "\n")
    if out != path:
        path.unlink()
    return out


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); {REMEDY}") from None
    if not isinstance(content, dict) or not (is_old(content) or "leaking" in content):
        raise InputError(f"{path}: neither a gate result nor a metrics file of the earlier version; {REMEDY}")
    return content


def main() -> None:
    try:
        for name in sys.argv[1:]:
            print(f"wrote {upgrade_file(Path(name))}")
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
