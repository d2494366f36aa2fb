"""The page of settings: every key with its file, type, unit, default, and its value in a preset."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from ruamel.yaml import YAML

from params import PARAMS, preset_file
from params.layout import has_named_entries, schemas, subsection
from params.types import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = {
    PARAMS: PARAMS,
    **{preset_file(kind, "NAME"): preset_file(kind, "sample") for kind in ("dataset", "recipe")},
}
"""The file whose values the page shows, by the name of the files of that kind."""

UNITS = {
    "max_crop_px": "px", "detector_max_px": "px", "tile_px": "px", "min_side": "px", "input_size": "px",
    "max_image_pixels": "pixels", "interocular_distance_px": "px of 96x96", "keypoint_offset_px": "px of 96x96",
    "max_rmse_px": "px of 96x96", "min_pixel_std": "grey levels", "min_brightness": "grey levels",
    "min_laplacian_variance": "grey levels²", "retry_delay_seconds": "s", "degrees": "degrees",
    "max_gap_s": "s", "window_s": "s", "min_iou": "of the union",
    "translate": "of the image side", "blur_sigma": "of the image side", "noise_std": "grey levels",
    "contrast": "factor", "scale": "factor", "max_hamming_distance": "bits of 64", "shard_size": "images or rows",
    "epochs": "epochs", "patience": "epochs", "cached_epochs": "epochs", "max_nme": "of the eye distance",
    "max_slice_nme": "of the eye distance", "max_nme_increase": "of the eye distance",
    "max_int8_nme_increase": "of the eye distance", "horizontal_flip": "probability", "random_erasing": "probability",
    "min_rows": "rows", "num_examples": "faces", "corruption_samples": "faces", "calibration_samples": "faces",
    "bn_update_samples": "faces", "unlabeled_samples": "faces", "pixel_baseline_rows": "faces", "batch_size": "faces",
    "confidence_threshold": "probability", "threshold": "score, 0 to 1", "stem_stride": "px", "widths": "filters",
    "depths": "blocks", "seed": "", "ensemble_size": "models", "learning_rate": "", "weight_decay": "",
    "max_ece": "probability", "mixup_alpha": "", "cutmix_alpha": "", "logit_adjustment_tau": "", "psi_threshold": "",
    "p_value": "probability", "min_correlation": "", "num_samples.keypoints": "rows", "num_samples.emotion": "rows",
    "offline_augmentation.brightness": "factor", "augmentation.brightness": "grey levels", "retries": "runs",
    "dropout": "probability", "ema_decay": "", "teacher_weight": "fraction of the target",
    "warmup_ratio": "of the steps",
    "max_nme_ratio": "of the baseline's NME", "min_skill_score": "", "label_smoothing": "fraction of the target",
}  # fmt: skip
"""Units of numbers by the end of their key; a number that is not listed is a fraction from 0 to 1."""

INTRODUCTION = """\
# Settings

`python -m docs.generate` writes this page from the schema in `params/`. `faces check` checks the settings.

Each key is in exactly one file, so no file overrides another. In `params.yaml`, `dataset: NAME` chooses
`conf/dataset/NAME.yaml`, and `recipe: NAME` chooses `conf/recipe/NAME.yaml`. A preset of your own is a copy of one of
these files, see [Add a preset](../how-to/presets.md). The section `sample` is always read from
`conf/dataset/sample.yaml`.

An experiment changes a setting of `params.yaml` by its key, and of a preset by file and key:

<!-- not run: trains; the keys are checked -->
```bash
dvc exp run -S recipe=quick -S report_predictions.num_examples=12
dvc exp run -S 'conf/recipe/quick.yaml:emotion.student.optimizer.learning_rate=0.001'
```

The heading of a table is the section that its keys are in: `threshold` below `score.detector` is
`score.detector.threshold`. A key without a default is required. *Example* is the value in `params.yaml`,
`conf/dataset/sample.yaml` or `conf/recipe/sample.yaml`. The entries of `MODEL.teachers` have the keys of
`MODEL.student` except `distillation`.
"""


def page() -> str:
    """Return the page: a chapter per file, a section with a table per section of the settings."""
    chapters = [INTRODUCTION]
    for (path, _), model in schemas("NAME", "NAME").items():
        content = YAML(typ="safe").load(ROOT / EXAMPLES.get(path, path))
        chapters.append(f"\n## `{path}`\n")
        chapters += [_section(key, section, content) for key, section in sections(model)]
    return "".join(chapters)


def sections(model: type[Settings], parent: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[Settings]]]:
    """Yield each section with its key; the sections of teachers, which repeat those of the student, are left out."""
    yield parent, model
    for name, field in model.model_fields.items():
        key, section = field.alias or name, subsection(field.annotation)
        if section and not has_named_entries(model, key):
            yield from sections(section, (*parent, key))


def _section(key: tuple[str, ...], section: type[Settings], content: Any) -> str:
    values = [(name, field) for name, field in section.model_fields.items() if _is_value(section, name, field)]
    if not values:
        return ""
    title = f"\n### `{'.'.join(key)}`\n" if key else ""
    docstring = _docstring(section)
    text = f"\n{docstring}\n" if docstring else ""
    head = "\n| key | type | unit | default | example |\n| --- | --- | --- | --- | --- |\n"
    return title + text + head + "".join(_row((*key, field.alias or name), field, content) for name, field in values)


def _docstring(section: type[Settings]) -> str:
    """Return the docstrings of a section's classes, the most general one first, in the words of YAML."""
    classes = [one for one in reversed(section.__mro__) if issubclass(one, Settings) and one is not Settings]
    texts = [inspect.cleandoc(one.__dict__.get("__doc__") or "") for one in classes]
    return re.sub(r"\bNone\b", "null", "\n\n".join(text for text in texts if text))


def _is_value(section: type[Settings], name: str, field: FieldInfo) -> bool:
    return not subsection(field.annotation) or has_named_entries(section, field.alias or name)


def _row(key: tuple[str, ...], field: FieldInfo, content: Any) -> str:
    default = "" if field.is_required() else f"`{_yaml(field.get_default())}`"
    cells = (
        f"`{key[-1]}`",
        _type(field.annotation),
        _unit(key, field.annotation),
        default,
        _example(key, content),
    )
    return f"| {' | '.join(cells)} |\n"


def _example(key: tuple[str, ...], content: Any) -> str:
    for name in key:
        if not isinstance(content, dict) or name not in content:
            return ""
        content = content[name]
    return f"`{_yaml(content)}`"


def _yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return {None: "null", True: "true", False: "false"}.get(value, str(value)) if not _is_number(value) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unit(key: tuple[str, ...], annotation: Any) -> str:
    ends = (".".join(key[-2:]), key[-1])
    known = next((UNITS[end] for end in ends if end in UNITS), None)
    return known if known is not None else ("fraction" if "number" in _type(annotation) else "")


def _type(annotation: Any) -> str:
    """Return the type of a value in words, such as `integer or null`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (UnionType, Union):
        return " or ".join(_type(one) for one in arguments)
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin is tuple:
        kind = _type(arguments[0])
        return f"[{', '.join(map(_type, arguments))}]" if arguments[-1] is not Ellipsis else f"list of {kind}"
    if origin is dict:
        return "section by name" if subsection(annotation) else f"{_type(arguments[1])} by name"
    names = {int: "integer", float: "number", bool: "true or false", str: "text", NoneType: "null"}
    return names.get(annotation, str(annotation))
