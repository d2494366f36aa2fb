"""Distillation: teachers, their predictions, and the student, `MODEL.teachers` and `MODEL.student` of a recipe."""

from typing import Annotated

from pydantic import Field, model_validator

from params.training import TrainEmotion, TrainKeypoints
from params.types import TEACHER, Count, Settings

TeacherName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class Distillation(Settings):
    """`teacher_weight` of every target is the mean of the teachers' predictions for the augmented face; the label is
    the rest.

    The teachers are those of `MODEL.teachers`, and those of `predictions`: names of folders in
    models/pretrained/teachers/MODEL with the predictions of teachers that were trained elsewhere. They predict the
    first `cached_epochs` epochs of augmented faces; later epochs replay these. `flip_tta` averages a teacher's
    predictions over a face and its mirror image. In each epoch, `unlabeled_samples` training faces of the other model's
    table are added, for which only the teachers' predictions count.
    """

    predictions: tuple[TeacherName, ...] = ()
    teacher_weight: Annotated[float, Field(gt=0, le=1)]
    cached_epochs: Count
    flip_tta: bool
    unlabeled_samples: Annotated[int, Field(ge=0)] = 0


class StudentKeypoints(TrainKeypoints):
    """`distillation`: null trains on labels alone. `init_from: teacher` starts from the weights of the first teacher,
    of an ensemble from its first model's.
    """

    distillation: Distillation | None


class StudentEmotion(TrainEmotion):
    """`distillation`: null trains on labels alone. `init_from: teacher` starts from the weights of the first teacher,
    of an ensemble from its first model's.
    """

    distillation: Distillation | None


def _use_every_teacher(recipe: "RecipeKeypoints | RecipeEmotion") -> None:
    student, names = recipe.student, recipe.teachers.keys()
    distillation = student.distillation
    if distillation and not names and not distillation.predictions:
        raise ValueError("student.distillation needs a teacher: one in teachers, or one in predictions")
    if names and not distillation and student.init_from != TEACHER:
        raise ValueError("teachers would be trained and not used; give student a distillation, or empty teachers: {}")
    if student.init_from == TEACHER and not names:
        raise ValueError("student.init_from = 'teacher' needs an entry in teachers; name a file, or add a teacher")
    if own := next((name for name, teacher in recipe.teachers.items() if teacher.init_from == TEACHER), None):
        raise ValueError(f"teachers.{own}.init_from = 'teacher' is for the student; name a file, or remove it")
    if distillation and (twice := names & set(distillation.predictions)):
        raise ValueError(f"student.distillation.predictions names {min(twice)}, which is one of teachers; remove one")


class RecipeKeypoints(Settings):
    student: StudentKeypoints
    teachers: dict[TeacherName, TrainKeypoints]

    @model_validator(mode="after")
    def use_every_teacher(self) -> "RecipeKeypoints":
        _use_every_teacher(self)
        return self


class RecipeEmotion(Settings):
    student: StudentEmotion
    teachers: dict[TeacherName, TrainEmotion]

    @model_validator(mode="after")
    def use_every_teacher(self) -> "RecipeEmotion":
        _use_every_teacher(self)
        return self
