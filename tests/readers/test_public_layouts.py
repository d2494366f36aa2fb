"""Layouts in which others share faces are read right, or refused with the reason and the remedy."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import params
from tasks.common.files import InputError
from tasks.data.ingestion import bring_in
from tasks.readers.records import read_records
from tasks.readers.sources import find_sources
from tasks.scoring.face_crops import crop_faces
from tests.conftest import ROOT
from tests.readers import public_layouts as layouts
from tests.readers.public_layouts import ALL, CK_NUMBERS, CONTEMPT, FACES, KEYPOINTS, LABELS, USAGES, Files, put
from tests.readers.test_layouts import images_of, rules, through, values_of

Layout = Callable[[], Files]

EVERY = list(range(len(FACES)))
EXACT, LOSSY = 0.0, 4.0
"""Grey levels, on average over a face: LOSSY of a JPEG, or of another size."""
WITH_TEST = ["Training"] * 14 + ["PrivateTest"] * 14
"""Usage where train and test are the only splits."""


def case(layout: Layout, *values: object) -> object:
    return pytest.param(layout, *values, id=layout.__name__)


def settings() -> params.Validate:
    """Validation settings under which a class may be absent, as in CK+."""
    content = rules("fer2013").model_dump()
    content["emotion"]["class_fraction"] = (0.0, 0.6)
    return params.Validate.model_validate(content)


def numbers_of(found: np.ndarray, faces: np.ndarray, tolerance: float) -> list[int]:
    """Which of `faces` each found image is. Every one must be found once."""
    assert len(found) == len(faces)
    differences = np.stack([np.abs(faces.astype(float) - image).mean(axis=(1, 2)) for image in found])
    numbers: list[int] = differences.argmin(axis=1).tolist()
    assert sorted(numbers) == list(range(len(faces)))
    assert differences.min(axis=1).max() <= tolerance
    return numbers


# Tables of FER2013 and Kaggle's keypoints are in test_layouts.
@pytest.mark.parametrize(
    ("layout", "expected", "usages", "tolerance", "aside"),
    [
        case(layouts.fer2013_tar_gz, EVERY, USAGES, EXACT, 0),
        case(layouts.ckextended, EVERY, USAGES, EXACT, 3),
        case(layouts.fer2013_folder_zip, EVERY, WITH_TEST, LOSSY, 0),
        case(layouts.fer2013_png_folder, EVERY, WITH_TEST, EXACT, 0),
        case(layouts.ck48_six, CK_NUMBERS, None, EXACT, 0),
        case(layouts.ck48, CK_NUMBERS, None, EXACT, 3),
        case(layouts.affectnet_96, EVERY, None, LOSSY, 3),
        case(layouts.affectnet_96_zip, EVERY, None, LOSSY, 3),
        case(layouts.hugging_face_bytes, EVERY, None, EXACT, 0),
        case(layouts.hugging_face_images, CK_NUMBERS, ["Training"] * 28, EXACT, 3),
    ],
)
def test_emotion_layouts_give_their_faces_with_their_labels(
    tmp_path: Path, layout: Layout, expected: list[int], usages: list[str] | None, tolerance: float, aside: int
) -> None:
    valid, quarantined = through("emotion", put(tmp_path, layout()), tmp_path, settings())
    found = np.array(images_of(valid)).reshape(-1, 48, 48)
    numbers = [expected[number] for number in numbers_of(found, FACES[expected], tolerance)]
    assert valid["emotion"].tolist() == [LABELS[number] for number in numbers]
    assert len(quarantined) == aside
    assert quarantined["reasons"].str.startswith(("emotion: not a label", "emotion: a class that no label")).all()
    assert ("usage" in valid) == (usages is not None)
    if usages is not None:
        assert valid["usage"].tolist() == [usages[number] for number in numbers]


NO_CLASS = r"names no class.*; rename it"
NO_POINTS = r"header: no column left_eye_center_x, .*; found "


@pytest.mark.parametrize(
    ("layout", "model_name", "message"),
    [
        case(layouts.icml_test, "emotion", r"test\.csv.*no column emotion"),
        case(layouts.icml_zip, "emotion", r"one CSV is needed in the archive, found .*train\.csv.*unpack it and name"),
        case(layouts.pixel_columns, "emotion", r"has one pixel per column \(pixel0 \.\.\. pixel"),
        case(layouts.ferplus_csv, "emotion", r"no column emotion; found Usage, Image name, neutral"),
        case(layouts.legend, "emotion", "column image holds names of image files.*; give the folder of these files"),
        case(layouts.rafdb_list, "emotion", r"no column emotion; found train_00001\.jpg 2"),
        case(layouts.affectnet_codes, "emotion", rf"test/0/8\.jpg: the folder 0 {NO_CLASS}"),
        case(layouts.affectnet_yolo, "emotion", rf"train/images/0\.png: the folder images {NO_CLASS}"),
        case(layouts.rafdb, "emotion", rf"DATASET/test/1/.*: the folder 1 {NO_CLASS}"),
        case(layouts.rafdb_flat, "emotion", r"img000_anger\.jpg: no folder names the class; put each"),
        case(layouts.afew, "emotion", r"the folder train_afew names no split; rename it train, validation or test"),
        case(layouts.ferplus_folder, "emotion", rf"FER2013Train/fer0000000\.png: the folder FER2013Train {NO_CLASS}"),
        case(layouts.jaffe, "emotion", r"KA\.AN1\.39\.tiff: no folder names the class"),
        case(
            layouts.web_dataset, "emotion", r"found none, but s0.*\.jpg.*unpack it and name the folder of its pictures"
        ),
        case(layouts.keras_arrays, "emotion", r"fdataX\.npy: is a NumPy array \(npy\), .*; save the data as CSV"),
        case(layouts.pickled, "emotion", r"data\.pickle: is a Python pickle, .*: save the data as CSV"),
        case(layouts.kaggle_test, "keypoints", NO_POINTS + "ImageId, Image"),
        case(layouts.id_lookup, "keypoints", NO_POINTS + "RowId, ImageId, FeatureName, Location"),
        case(layouts.kaggle_zip, "keypoints", r"one CSV is needed in the archive, found IdLookupTable.*unpack it"),
        case(layouts.coordinates_only, "keypoints", r"no column holds pixels; found left_eye_center_x"),
        case(layouts.youtube_csv, "keypoints", NO_POINTS + ", 0, 1, 2"),
        case(layouts.points_300w, "keypoints", r"given: is a folder without a Parquet table; .*name the CSV"),
        case(layouts.points_file, "keypoints", NO_POINTS + "version: 1"),
        case(layouts.face_images_npz, "keypoints", r"NumPy"),
        case(layouts.youtube_npz, "keypoints", r"NumPy"),
    ],
)
def test_other_layouts_are_refused_with_what_they_lack(
    tmp_path: Path, layout: Layout, model_name: str, message: str
) -> None:
    source = put(tmp_path, layout())
    with pytest.raises(InputError, match=message):
        bring_in(model_name, source, tmp_path / "raw.csv")
    assert not (tmp_path / "raw.csv").exists()


NO_IMAGE = "is not an image of the formats|is an? .*; only jpg, .* are read"
NO_PIXELS = r"no column holds pixels|holds names of image files|has one pixel per column"


@pytest.mark.parametrize(
    ("layout", "num_faces", "skipped"),
    [
        case(layouts.fer2013_csv, 28, {}),
        case(layouts.icml_face_data, 28, {}),
        case(layouts.icml_train, 28, {}),
        case(layouts.icml_test, 28, {}),
        case(layouts.fer2013_tar_gz, 28, {}),
        case(layouts.icml_zip, 0, {r"one CSV is needed in the archive, found": 1}),
        case(layouts.ckextended, 31, {}),
        case(layouts.pixel_columns, 0, {NO_PIXELS: 1}),
        case(layouts.ferplus_csv, 0, {NO_PIXELS: 1}),
        case(layouts.legend, 0, {NO_PIXELS: 1}),
        case(layouts.rafdb_list, 0, {NO_IMAGE: 1}),
        case(layouts.fer2013_folder, 28, {}),
        case(layouts.fer2013_folder_zip, 28, {}),
        case(layouts.fer2013_png_folder, 28, {}),
        case(layouts.ck48, 27, {}),
        case(layouts.affectnet_96, 31, {NO_PIXELS: 1}),
        case(layouts.affectnet_codes, 28, {}),
        case(layouts.affectnet_yolo, 28, {NO_IMAGE: 29}),
        case(layouts.rafdb, 28, {NO_PIXELS: 1}),
        case(layouts.rafdb_flat, 28, {}),
        case(layouts.ferplus_folder, 28, {NO_PIXELS: 1}),
        case(layouts.jaffe, 28, {NO_IMAGE: 1}),
        case(layouts.hugging_face_bytes, 28, {}),
        case(layouts.hugging_face_images, 27, {}),
        case(layouts.web_dataset, 0, {"unpack it and name the folder of its pictures": 1}),
        case(layouts.keras_arrays, 0, {"is a NumPy array": 1}),
        case(layouts.pickled, 0, {"is a Python pickle": 1}),
        case(layouts.kaggle_training, 12, {}),
        case(layouts.kaggle_training_zip, 12, {}),
        case(layouts.kaggle_test, 12, {}),
        case(layouts.id_lookup, 0, {NO_PIXELS: 1}),
        case(layouts.kaggle_zip, 0, {r"one CSV is needed in the archive, found": 1}),
        case(layouts.coordinates_only, 0, {NO_PIXELS: 1}),
        case(layouts.youtube_csv, 0, {NO_PIXELS: 1}),
        case(layouts.points_300w, 28, {NO_IMAGE: 28}),
        case(layouts.face_images_npz, 0, {"not a prepared split": 1}),
        case(layouts.youtube_npz, 0, {"not a prepared split": 1}),
    ],
)
def test_scoring_takes_their_faces_and_says_what_has_none(
    tmp_path: Path, layout: Layout, num_faces: int, skipped: dict[str, int]
) -> None:
    records = [record for source in find_sources([put(tmp_path, layout())])[0] for record in read_records(source)]
    # `whole`: JAFFE's images are large enough to be searched for faces, and blotches are none.
    crops = crop_faces(records, "whole", params.load(ROOT).score)
    assert len(crops.detections) == num_faces
    assert {reason: int(crops.skipped["reason"].str.contains(reason).sum()) for reason in skipped} == skipped
    assert len(crops.skipped) == sum(skipped.values())
    if num_faces == len(KEYPOINTS):
        assert crops.images["keypoints"].reshape(num_faces, -1).tolist() == values_of(KEYPOINTS["Image"])
    elif num_faces:
        expected = np.concatenate([FACES[CK_NUMBERS], CONTEMPT]) if num_faces == 27 else ALL[:num_faces]
        numbers_of(crops.images["emotion"], expected, LOSSY)
