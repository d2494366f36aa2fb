"""What can be set: `params.yaml` in a typed, frozen form. Unknown keys are refused, by name and line."""

import difflib
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

Head = Literal["keypoints", "emotion"]
HEADS: tuple[str, ...] = get_args(Head)

PARAMS = Path("params.yaml")

Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _path_or_http(address: str) -> str:
    if "://" in address and not address.startswith(("http://", "https://")):
        raise ValueError("a path, http:// or https:// is needed")
    return address


Address = Annotated[str, Field(min_length=1), AfterValidator(_path_or_http)]


class SettingsError(ValueError):
    """`params.yaml` cannot be used; the message names file, line, key and remedy."""


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Sample(Settings):
    seed: Seed
    keypoints_rows: Annotated[int, Field(ge=100)]
    emotion_rows: Annotated[int, Field(ge=100)]


class Ingest(Settings):
    keypoints: Address
    emotion: Address


class ValidateKeypoints(Settings):
    min_rows: Count


class ValidateEmotion(Settings):
    min_rows: Count
    label_set: Literal["course", "fer2013"]


class Validate(Settings):
    max_quarantined: Share
    keypoints: ValidateKeypoints
    emotion: ValidateEmotion


class Split(Settings):
    seed: Seed
    validation: OpenShare
    test: OpenShare

    @model_validator(mode="after")
    def leave_rows_to_train_on(self) -> "Split":
        if self.validation + self.test > 0.8:
            raise ValueError("validation + test leave less than 0.2 of the rows to train on")
        return self


class Augment(Settings):
    """`brightness`: the factors between which each copy's is drawn; null makes no such copies."""

    seed: Seed
    mirror: bool
    brightness: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None

    @model_validator(mode="after")
    def order_factors(self) -> "Augment":
        if self.brightness and self.brightness[0] > self.brightness[1]:
            raise ValueError("brightness is [lowest, highest] factor; these stand the other way round")
        return self


class PrepareHead(Settings):
    split: Split
    augment: Augment


class Prepare(Settings):
    keypoints: PrepareHead
    emotion: PrepareHead


class Training(Settings):
    seed: Seed
    widths: Annotated[tuple[Count, ...], Field(min_length=2, max_length=5)]  # each halves the image
    epochs: Count
    batch_size: Count
    learning_rate: Annotated[float, Field(gt=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Train(Settings):
    keypoints: Training
    emotion: Training


class EvaluateKeypoints(Settings):
    faces_drawn: Count


class EvaluateEmotion(Settings):
    faces_drawn: Count
    pixel_baseline_rows: Count


class Evaluate(Settings):
    keypoints: EvaluateKeypoints
    emotion: EvaluateEmotion


class GateKeypoints(Settings):
    max_nme: Annotated[float, Field(gt=0)]
    max_share_of_baseline: Annotated[float, Field(gt=0)]


class GateEmotion(Settings):
    min_accuracy: Share
    min_macro_f1: Share
    min_share_of_gap: Annotated[float, Field(lt=1)]


class Gate(Settings):
    keypoints: GateKeypoints
    emotion: GateEmotion


class Score(Settings):
    input: Address
    faces_drawn: Count


class Params(Settings):
    sample: Sample
    ingest: Ingest
    validate_: Annotated[Validate, Field(alias="validate")]
    prepare: Prepare
    train: Train
    evaluate: Evaluate
    gate: Gate
    score: Score


def _line(document: Any, location: tuple[str | int, ...]) -> int | None:
    """1-based line of a key in a round-trip YAML document; None where the key is absent."""
    line = None
    for key in location:
        try:
            positions = document.lc.data[key]
            document = document[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            return line if line is not None and not isinstance(document, dict) else None
        line = positions[0] + 1
    return line


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    model: Any = Params
    for key in location[:-1]:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        model = fields[str(key)].annotation
    return [field.alias or name for name, field in model.model_fields.items()]


def _complaint(error: Any, document: Any, path: Path) -> str:
    location = error["loc"]
    name = ".".join(map(str, location)) or "the whole file"
    line = _line(document, location)
    where = f"{path}, line {line}: " if line else f"{path}: "
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(location[-1]), _known_keys(location), n=1)
        return f"{where}{name} is no setting" + (f"; did you mean {near[0]}?" if near else "; remove it")
    if error["type"] == "missing":
        return f"{where}{name} is missing; add it"
    return f"{where}{name} = {error['input']!r}: {error['msg'].removeprefix('Value error, ')}"


def load(path: Path = PARAMS) -> Params:
    """The settings in `path`. Raises SettingsError, with one line for each thing that is wrong."""
    try:
        document = YAML(typ="rt", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing; run from the project's folder, or `git restore {path}`") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid YAML: {error}") from None
    try:
        return Params.model_validate(document)
    except ValidationError as error:
        lines = [_complaint(one, document, path) for one in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def missing_sources(params: Params) -> list[str]:
    """A line for each file that the settings name, that no stage makes, and that is not there."""
    named = {f"ingest.{head}": getattr(params.ingest, head) for head in HEADS} | {"score.input": params.score.input}
    return [
        f"{PARAMS}: {key} = {source!r}: there is no such file; correct the path"
        for key, source in named.items()
        if "://" not in source and Path(source).parts[:1] != ("data",) and not Path(source).exists()
    ]


def main() -> None:
    """`python -m params`: check the settings, and the files that they name, before `dvc repro` reads them."""
    try:
        lines = missing_sources(load())
    except SettingsError as error:
        sys.exit(str(error))
    if lines:
        sys.exit("\n".join(lines))
    print(f"{PARAMS} is in order.")


if __name__ == "__main__":
    main()
