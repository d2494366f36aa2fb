"""Training settings of one model: of `MODEL.student` and of each of `MODEL.teachers` of a recipe."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from params.types import Count, InitFrom, InOrder, NotNegative, Positive, PretrainedFile, Seed, Settings, Share


class Architecture(Settings):
    """`resnet` has one stage per entry of `widths` (filters) and `depths` (blocks); each stage halves height and width.

    `stem_stride` is the stride of the stem: 1, 2 or 4. `original` has a fixed size and takes none of these settings.
    `backbone` is the Keras model `file`, up to its layer `layer` if that is given, which takes grey levels 0 to 255 at
    `input_size` px, with a new output layer; its weights are trained too unless `frozen`.
    """

    name: Literal["resnet", "original", "backbone"]
    widths: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(max_length=5)] = ()
    depths: tuple[Count, ...] = ()
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    stem_stride: Literal[1, 2, 4] = 2
    file: PretrainedFile | None = None
    layer: str | None = None
    input_size: Annotated[int, Field(ge=16, le=512)] | None = None
    frozen: bool = True

    @model_validator(mode="after")
    def have_sizes_that_fit(self) -> "Architecture":
        is_backbone = self.name == "backbone"
        if not is_backbone and (self.file or self.layer or self.input_size or not self.frozen):
            raise ValueError("only a backbone has file, layer, input_size and frozen; remove them")
        if is_backbone and not (self.file and self.input_size):
            raise ValueError("a backbone needs file, a Keras model under models/pretrained, and input_size in px")
        if is_backbone and (self.widths or self.depths or self.stem_stride != 2):
            raise ValueError("a backbone has the size of its file; remove widths, depths, stem_stride")
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


class TrainModel(Settings):
    """`ensemble_size`: number of models whose outputs are averaged. They train in turn, with `seed`, `seed` + 1, ...

    Training stops after `patience` epochs without a lower validation loss. Before each validation, batch normalization
    is updated on `bn_update_samples` training faces without augmentation; 0 keeps the moving statistics. `init_from` is
    a saved Keras model whose weights training starts from; 0 `epochs` take them unchanged. `precision` is Keras's dtype
    policy during training; models are saved and exported in the same way from each.
    """

    seed: Seed
    ensemble_size: Count
    architecture: Architecture
    init_from: InitFrom | None = None
    epochs: Annotated[int, Field(ge=0)]
    batch_size: Count
    patience: Count
    bn_update_samples: Annotated[int, Field(ge=0)]
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    optimizer: Optimizer

    @model_validator(mode="after")
    def start_from_something(self) -> "TrainModel":
        if not self.epochs and not self.init_from:
            raise ValueError("epochs: 0 takes the weights of init_from unchanged; name a model there, or train epochs")
        if self.init_from and self.ensemble_size > 1:
            raise ValueError("init_from gives all models of an ensemble the same weights; set ensemble_size to 1")
        return self


class TrainKeypoints(TrainModel):
    loss: Literal["smooth_l1", "wing", "mse"]
    augmentation: Augmentation


class TrainEmotion(TrainModel):
    loss: EmotionLoss
    augmentation: EmotionAugmentation
