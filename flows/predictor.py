"""The Python entry for scripts and notebooks: `from flows.predictor import load`."""

from contextlib import chdir
from dataclasses import replace
from os import PathLike
from pathlib import Path

import params
from flows.console import CHECKOUT
from params import Score
from tasks.common import process
from tasks.common.files import InputError
from tasks.models.approved_models import Classes
from tasks.release.model_sets import load_model_set
from tasks.scoring.predictor import Predictor, make_predictor


def load(model_set: str = "released", root: str | PathLike[str] | None = None, classes: Classes = "auto") -> Predictor:
    """The models of a model set with the settings of `root`, the checkout that this code belongs to unless given.

    `model_set` is that of `faces score`: released, fast, workspace, prod or a version. The current folder may be any;
    it is another one while the models load. `classes` are the emotions that are predicted: `output`, those that the
    gate judged; `all` that the model was trained on; `auto`, all of images and `output` of rows of tables. Sets the
    environment variables of `process.DEFAULTS`. Raises InputError or SettingsError, with the remedy.
    """
    # Before TensorFlow is imported, and `dvc` started for a registered version.
    process.set_environment()
    folder = CHECKOUT if root is None else Path(root).resolve()
    if not (folder / "dvc.yaml").is_file():
        raise InputError(f"root = {folder}: not a checkout of this project; give the folder that has dvc.yaml")
    # Settings, model files, DVC and GTO are all relative to the folder.
    with chdir(folder):
        settings, (approved, version) = params.load().score, load_model_set(model_set, classes)
        paths = {model_name: path.absolute() for model_name, path in approved.paths.items()}
        return make_predictor(replace(approved, paths=paths), version, _with_absolute_detector(settings))


def _with_absolute_detector(settings: Score) -> Score:
    detector = settings.detector
    if detector.file is None or "://" in detector.file:
        return settings
    file = detector.model_copy(update={"file": str(Path(detector.file).absolute())})
    return settings.model_copy(update={"detector": file})
