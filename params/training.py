"""Training settings of one model, `MODEL.student` of a recipe."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from params.types import Count, InOrder, NotNegative, Positive, Seed, Settings, Sha256, Share


class Architecture(Settings):
    """`resnet` has one stage per entry of `widths` (filters) and `depths` (blocks); each stage halves height and width.

    `stem_stride` is the stride of the stem: 1, 2 or 4. `original` has a fixed size and takes none of these settings.
    """

    name: Literal["resnet", "original"]
    widths: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(max_length=5)] = ()
    depths: tuple[Count, ...] = ()
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    stem_stride: Literal[1, 2, 4] = 2

    @model_validator(mode="after")
    def have_sizes_that_fit(self) -> "Architecture":
        if self.name == "original" and (self.widths or self.depths or self.dropout or self.stem_stride != 2):
            raise ValueError("the original architecture has a fixed size; remove widths, depths, dropout, stem_stride")
        if self.name == "resnet" and (len(self.widths) < 2 or len(self.widths) != len(self.depths)):
            raise ValueError("widths and depths need one number per stage each, and at least two stages")
        return self


class Optimizer(Settings):
    """`warmup_ratio` is a fraction of the training steps; `ema_decay` of the weights' moving average, 0 disables it.

    `adam` has a constant learning rate, no warm-up and no weight decay, as in the original project.
    """

    name: Literal["adamw", "adam"]
    learning_rate: Positive
    weight_decay: NotNegative
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)]
    ema_decay: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def set_nothing_that_is_not_used(self) -> "Optimizer":
        if self.name == "adam" and (self.warmup_ratio or self.weight_decay):
            raise ValueError("adam uses neither warmup_ratio nor weight_decay; set both to 0")
        return self


class Augmentation(Settings):
    """Random augmentation of training faces, drawn anew in every epoch. Each value is the maximum.

    `horizontal_flip` and `random_erasing` are probabilities; `degrees` is a rotation; `translate` and `blur_sigma` are
    fractions of the image side; `scale` and `contrast` are [min, max] factors; `brightness` and `noise_std` are in grey
    levels.
    """

    horizontal_flip: Share
    degrees: Annotated[float, Field(ge=0, le=180)]
    translate: Annotated[float, Field(ge=0, le=0.5)]
    scale: Annotated[tuple[Positive, Positive], InOrder]
    blur_sigma: Annotated[float, Field(ge=0, le=0.1)]
    brightness: Annotated[float, Field(ge=0, le=255)]
    contrast: Annotated[tuple[NotNegative, NotNegative], InOrder]
    noise_std: Annotated[float, Field(ge=0, le=255)]
    random_erasing: Share


class EmotionAugmentation(Augmentation):
    """`mixup_alpha` and `cutmix_alpha` are the parameters of the Beta distributions of the mixing ratio; 0 disables."""

    mixup_alpha: NotNegative
    cutmix_alpha: NotNegative


class EmotionLoss(Settings):
    """`logit_adjustment_tau` compensates for class imbalance (Menon et al. 2021); 0 disables it."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    logit_adjustment_tau: NotNegative


class Teacher(Settings):
    """The saved teacher `file`, whose predictions make up `teacher_weight` of every target; the label is the rest.

    `sha256` is the hash of the file; `classes` are the teacher's output classes in order, none for keypoints. It runs
    for the first `cached_epochs` epochs; later epochs replay those augmentations and its cached predictions.
    `flip_tta` averages the teacher's predictions over a face and its mirror image. `init_from_teacher` starts training
    from the teacher's weights (of an ensemble, from its first model's).
    """

    file: str
    sha256: Sha256
    classes: tuple[str, ...] = ()
    teacher_weight: Annotated[float, Field(gt=0, le=1)]
    cached_epochs: Count
    flip_tta: bool
    init_from_teacher: bool


class TrainModel(Settings):
    """`ensemble_size`: number of models whose outputs are averaged. They train in turn, with `seed`, `seed` + 1, ...

    Training stops after `patience` epochs without a lower validation loss. Before each validation, batch normalization
    is updated on `bn_update_samples` training faces without augmentation; 0 keeps the moving statistics.
    `distillation`: None trains on labels alone. A distilled emotion model has the outputs of its teacher.
    """

    seed: Seed
    ensemble_size: Count
    architecture: Architecture
    epochs: Count
    batch_size: Count
    patience: Count
    bn_update_samples: Annotated[int, Field(ge=0)]
    optimizer: Optimizer
    distillation: Teacher | None = None


class TrainKeypoints(TrainModel):
    loss: Literal["smooth_l1", "wing", "mse"]
    augmentation: Augmentation


class TrainEmotion(TrainModel):
    loss: EmotionLoss
    augmentation: EmotionAugmentation
