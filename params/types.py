"""Types of single values, and what all settings have in common."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

ModelName = Literal["keypoints", "emotion"]
MODELS: tuple[str, ...] = get_args(ModelName)
TEACHER = "teacher"
"""Value of `init_from` for the weights of the first teacher."""


class SettingsError(ValueError):
    """The settings cannot be used; the message has a line with file, line, key and remedy for each thing wrong."""


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _in_order(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("[lowest, highest] is needed; these stand the other way round")
    return bounds


def _path_or_http(address: str) -> str:
    if "://" in address and not address.startswith(("http://", "https://")):
        raise ValueError("a path, http:// or https:// is needed")
    return address


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0]} stands there twice; remove one")
    return names


def _in_pretrained(path: str) -> str:
    if not path.startswith("models/pretrained/") or ".." in path or not path.endswith(".keras"):
        raise ValueError("a file models/pretrained/MODEL/NAME.keras is needed; copy the model there")
    return path


def _teacher_or_pretrained(name: str) -> str:
    return name if name == TEACHER else _in_pretrained(name)


Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Shift = Annotated[float, Field(ge=-10, le=10)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
InOrder = AfterValidator(_in_order)
Address = Annotated[str, Field(min_length=1), AfterValidator(_path_or_http)]
PretrainedFile = Annotated[str, AfterValidator(_in_pretrained)]
InitFrom = Annotated[str, AfterValidator(_teacher_or_pretrained)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

Emotion = Literal["anger", "disgust", "fear", "happiness", "sad", "surprise", "neutral"]
NOT_IN_COURSE = ("fear", "neutral")
Classes = Annotated[tuple[Emotion, ...], Field(min_length=2), AfterValidator(_each_once)]
