"""Published layouts of face data in miniature, from drawn blotches: each function says where the layout was found.

A layout is its files by path. One file alone is the source itself; of several, their folder is.
"""

import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from faces.common.schema import COORDINATES, LABEL_ENCODINGS
from tests.pictures import strangers
from tests.readers.test_layouts import keypoint_rows

Files = dict[str, bytes]

FER2013 = LABEL_ENCODINGS["fer2013"]
FACES = strangers(28)
CONTEMPT = strangers(3, seed=1)
ALL = np.concatenate([FACES, CONTEMPT])
CODES = [number % len(FER2013) for number in range(len(FACES))]
LABELS = [FER2013[code] for code in CODES]
USAGES = ["Training"] * 14 + ["PublicTest"] * 7 + ["PrivateTest"] * 7
CK_NUMBERS = [number for number, label in enumerate(LABELS) if label != "neutral"]
"""Of the faces that stand for CK+, which has no neutral ones but contempt."""
KEYPOINTS = keypoint_rows(12, missing=True)
SHORT = dict(zip(FER2013, ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"), strict=True))
CK = {**SHORT, "anger": "anger", "sad": "sadness"}
"""Class folders as FER2013 and CK+ name them."""


def put(folder: Path, files: Files) -> str:
    """Write a layout below `folder`; return the source that a user would name."""
    for name, content in files.items():
        (folder / "given" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "given" / name).write_bytes(content)
    return str(folder / "given" / next(iter(files)) if len(files) == 1 else folder / "given")


def pixels(images: np.ndarray) -> list[str]:
    return [" ".join(map(str, image.ravel().tolist())) for image in images]


def table(name: str, columns: Mapping[str, Any] | pd.DataFrame) -> Files:
    return {name: pd.DataFrame(columns).to_csv(index=False).encode()}


def image(face: np.ndarray, ending: str, side: int = 48) -> bytes:
    larger = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC) if side != 48 else face
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if ending == ".jpg" else []
    return cv2.imencode(ending, larger, options)[1].tobytes()


def images(names: Sequence[str], side: int = 48, faces: np.ndarray = FACES) -> Files:
    """One image under each name, in the format of its ending."""
    return {name: image(face, Path(name).suffix, side) for name, face in zip(names, faces, strict=True)}


def zipped(name: str, files: Files) -> Files:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, content in files.items():
            archive.writestr(inside, content)
    return {name: packed.getvalue()}


def tarred(name: str, files: Files) -> Files:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz" if name.endswith("gz") else "w") as archive:
        for inside, content in files.items():
            entry = tarfile.TarInfo(inside)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return {name: packed.getvalue()}


def parquet(name: str, columns: Mapping[str, Any], class_labels: dict[str, list[str]] | None = None) -> Files:
    """A Parquet table as Hugging Face's `datasets` writes it, with class names in its metadata."""
    content, packed = pa.table(columns), io.BytesIO()
    if class_labels:
        features = {column: {"names": names, "_type": "ClassLabel"} for column, names in class_labels.items()}
        content = content.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(content, packed)
    return {name: packed.getvalue()}


def npy(name: str, array: np.ndarray) -> Files:
    content = io.BytesIO()
    np.save(content, array)
    return {name: content.getvalue()}


# Emotion: tables


def fer2013_csv() -> Files:
    """`emotion,pixels,Usage`: BruceHi/experiment_fer2013, fer2013/fer2013.csv."""
    return table("fer2013.csv", {"emotion": CODES, "pixels": pixels(FACES), "Usage": USAGES})


def icml_face_data() -> Files:
    """`emotion, Usage, pixels`, with blanks: abhirup-ghosh/facial-expression-classifier-app, data/README.md.

    Kaggle's competition challenges-in-representation-learning-facial-expression-recognition-challenge has this file.
    """
    return table("icml_face_data.csv", {"emotion": CODES, " Usage": USAGES, " pixels": pixels(FACES)})


def icml_train() -> Files:
    """`emotion,pixels`: train.csv of the same competition."""
    return table("train.csv", {"emotion": CODES, "pixels": pixels(FACES)})


def icml_test() -> Files:
    """`pixels` alone: test.csv of it, git.ete.moe/Lamis-Amd/Sentiment-Analysis_Fer2013."""
    return table("test.csv", {"pixels": pixels(FACES)})


def fer2013_tar_gz() -> Files:
    """The archive of it with the whole table: IdoKenan/faceExpress, README, `tar -xvf fer2013.tar.gz`."""
    extra = {"fer2013/README": b"faces", "fer2013/fer2013.bib": b"@article{}"}
    return tarred("fer2013.tar.gz", {"fer2013/fer2013.csv": fer2013_csv()["fer2013.csv"], **extra})


def icml_zip() -> Files:
    """All files of it in one zip, as its download button gives them."""
    return zipped("challenge.zip", {**icml_face_data(), **icml_train(), **icml_test(), **fer2013_tar_gz()})


def ckextended() -> Files:
    """`emotion,pixels,Usage`, 7 is contempt: opendatabay.com/data/ai-ml/a9edafd5-ce71-43fd-ba98-aa3c7e7853b1."""
    usages = [*USAGES, *["Training"] * len(CONTEMPT)]
    return table("ckextended.csv", {"emotion": [*CODES, 7, 7, 7], "pixels": pixels(ALL), "Usage": usages})


def pixel_columns() -> Files:
    """A column per pixel, `,emotion,pixel0,...`: facial_detection.csv, which a script makes of icml_face_data.csv."""
    columns = {f"pixel{number}": FACES.reshape(len(FACES), -1)[:, number] for number in range(48 * 48)}
    return {"facial_detection.csv": pd.DataFrame({"emotion": CODES, **columns}).to_csv().encode()}


def ferplus_csv() -> Files:
    """Votes without pixels: microsoft/FERPlus, fer2013new.csv."""
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    rows = ["Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0", "Training,,0,0,0,0,0,0,0,0,0,10"]
    return {"fer2013new.csv": "\n".join([header, *rows * 10]).encode()}


def legend() -> Files:
    """`user.id,image,emotion`, names of files: muxspace/facial_expressions, data/legend.csv."""
    names = [f"Someone_{number:04}.jpg" for number in range(len(FACES))]
    return table("legend.csv", {"user.id": [628] * len(FACES), "image": names, "emotion": LABELS})


def rafdb_list() -> Files:
    """`train_00001.jpg 5`, no header: secret-moctar/deep-learning-model-, EmoLabel/list_patition_label.txt (RAF-DB)."""
    return {"list_patition_label.txt": "\n".join(f"train_{n:05}.jpg {n % 7 + 1}" for n in range(1, 29)).encode()}


# Emotion: folders


def fer2013_folder() -> Files:
    """`train/angry/Training_10118481.jpg`: kaggle.com/datasets/msambare/fer2013, RecepTahirGunlu/Duygu-Tanima."""
    of = {"Training": "train", "PublicTest": "test", "PrivateTest": "test"}
    parts = zip(USAGES, LABELS, strict=True)
    return images([f"{of[u]}/{SHORT[label]}/{u}_{n}.jpg" for n, (u, label) in enumerate(parts)])


def fer2013_folder_zip() -> Files:
    """The same as Kaggle sends it, archive.zip."""
    return zipped("archive.zip", fer2013_folder())


def fer2013_png_folder() -> Files:
    """`data/train/angry/im0.png`: shivani-shivanand/Chatbot-with-mood-based-recommendation, classes as `fearful`."""
    names = ("angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral")
    folders = ["train" if usage == "Training" else "test" for usage in USAGES]
    parts = zip(folders, CODES, strict=True)
    return images([f"data/{folder}/{names[code]}/im{n}.png" for n, (folder, code) in enumerate(parts)])


def ck48() -> Files:
    """`CK+48/anger/S010_004_00000017.png`, also contempt: WuJie1010/Facial-Expression-Recognition.Pytorch."""
    names = [f"CK+48/{CK[LABELS[n]]}/S{n:03}_004_00000017.png" for n in CK_NUMBERS]
    names += [f"CK+48/contempt/S138_008_0000000{n}.png" for n in range(len(CONTEMPT))]
    return images(names, faces=np.concatenate([FACES[CK_NUMBERS], CONTEMPT]))


def ck48_six() -> Files:
    """The same without contempt, as many notebooks use it."""
    return {name: content for name, content in ck48().items() if "contempt" not in name}


def affectnet_96() -> Files:
    """`anger/image0000006.jpg`, 96 x 96, and labels.csv: vktr274/cnn-affect-recognition, README.

    The data set is kaggle.com/datasets/noamsegal/affectnet-training-data.
    """
    names = [f"{CK[label]}/image{n:07}.jpg" for n, label in enumerate(LABELS)]
    files = images([*names, *(f"contempt/image000010{n}.jpg" for n in range(3))], 96, ALL)
    return {**files, **table("labels.csv", {"pth": list(files), "label": [name.split("/")[0] for name in files]})}


def affectnet_96_zip() -> Files:
    """The same as Kaggle sends it, archive.zip."""
    return zipped("archive.zip", affectnet_96())


def affectnet_codes() -> Files:
    """`train/0/*.jpg`, AffectNet's codes: UTS-SSTC/Facial-Emotion-Recognition-HCI, data/affectNet/README.md."""
    return images([f"{('train', 'val', 'test')[n % 3]}/{n % 8}/{n}.jpg" for n in range(len(FACES))])


def affectnet_yolo() -> Files:
    """`train/images`, `train/labels`, data.yaml: kaggle.com/datasets/fatihkgg/affectnet-yolo-format."""
    labels = {f"train/labels/{n}.txt": b"0 0.5 0.5 1 1" for n in range(len(FACES))}
    return {**images([f"train/images/{n}.png" for n in range(len(FACES))], 96), **labels, "data.yaml": b"nc: 8"}


def rafdb() -> Files:
    """`DATASET/train/1`, 100 x 100, RAF-DB's codes (1 surprise): koorosh-moaveninejad/Facial-Expression-Recognition.

    The data set is kaggle.com/datasets/shuvoalok/raf-db-dataset.
    """
    parts = [("train", "test")[n % 2] for n in range(len(FACES))]
    files = images([f"DATASET/{part}/{n % 7 + 1}/{part}_{n:05}_aligned.jpg" for n, part in enumerate(parts)], 100)
    return {**files, "DATASET/train_labels.csv": b"image,label\ntrain_00000_aligned.jpg,1\n"}


def rafdb_flat() -> Files:
    """`/img001_<label>.jpg`: revqx/fer-cvdl-practical, data/raf_db/README.md."""
    return images([f"img{n:03}_{label}.jpg" for n, label in enumerate(LABELS)], 100)


def afew() -> Files:
    """Splits under names of their own, `train_afew/Angry`, `val_afew/Angry`: Open-Debin/Emotion-FAN, data/frame."""
    parts = ["train_afew" if usage == "Training" else "val_afew" for usage in USAGES]
    names = zip(parts, LABELS, strict=True)
    return images([f"{part}/{SHORT[label].title()}/{n}.png" for n, (part, label) in enumerate(names)])


def ferplus_folder() -> Files:
    """`FER2013Train/fer0000000.png` beside label.csv, its votes: microsoft/FERPlus, data/FER2013Train/label.csv."""
    names = [f"FER2013Train/fer{n:07}.png" for n in range(len(FACES))]
    votes = "\n".join(f'{Path(name).name},"(0, 0, 48, 48)",4,0,0,1,3,2,0,0,0,0' for name in names)
    return {**images(names), "FER2013Train/label.csv": votes.encode()}


def jaffe() -> Files:
    """`KA.AN1.39.tiff`, 256 x 256, the class in the name: JAFFE, iamthiru/Node-js-JWT."""
    codes = ("AN", "DI", "FE", "HA", "SA", "SU", "NE")
    return {
        **images([f"KA.{codes[code]}1.{n + 39}.tiff" for n, code in enumerate(CODES)], 256),
        "README_FIRST.txt": b"faces",
    }


# Emotion: Parquet, arrays


def hugging_face_bytes() -> Files:
    """`img_bytes` and `labels`, a ClassLabel in the order of the alphabet: huggingface.co/datasets/Jeneral/fer-2013."""
    names = sorted(SHORT.values())
    codes = [names.index(SHORT[label]) for label in LABELS]
    columns = {"img_bytes": [image(face, ".png") for face in FACES], "labels": codes}
    return parquet("0000.parquet", columns, {"labels": names})


def hugging_face_images() -> Files:
    """`image` with bytes and path, `label` as text, `file`: huggingface.co/datasets/AlirezaF138/ckplus-dataset."""
    files = ck48()
    pictures = [{"bytes": content, "path": Path(name).name} for name, content in files.items()]
    labels = [Path(name).parent.name for name in files]
    return parquet("train-00000-of-00001.parquet", {"image": pictures, "label": labels, "file": list(files)})


def web_dataset() -> Files:
    """Pairs of an image and a .cls in a tar: huggingface.co/datasets/clip-benchmark/wds_fer2013, train/0.tar."""
    pairs = images([f"s{n:07}.jpg" for n in range(len(FACES))])
    return tarred("0.tar", {**pairs, **{f"s{n:07}.cls": str(code).encode() for n, code in enumerate(CODES)}})


def keras_arrays() -> Files:
    """`fdataX.npy`, (N, 48, 48, 1) float: beside flabels.npy in dexXxed/fer2013-approach."""
    return npy("fdataX.npy", FACES[..., None].astype(float))


def pickled() -> Files:
    """A pickle of arrays, as train.pt of huggingface.co/datasets/Jeneral/fer-2013 and many notebooks keep them."""
    return {"data.pickle": pickle.dumps({"images": FACES, "labels": CODES})}


# Keypoints


def kaggle_training() -> Files:
    """30 coordinates and `Image`: kaggle.com/c/facial-keypoints-detection, borhanMorphy/facial-keypoints-detection."""
    return table("training.csv", KEYPOINTS)


def kaggle_training_zip() -> Files:
    """The same, as the competition keeps it."""
    return zipped("training.zip", kaggle_training())


def kaggle_test() -> Files:
    """`ImageId,Image`: its test.csv."""
    return table("test.csv", {"ImageId": range(1, len(KEYPOINTS) + 1), "Image": KEYPOINTS["Image"]})


def id_lookup() -> Files:
    """`RowId,ImageId,FeatureName,Location`: lsy105/Facial-Keypoints-Detection, IdLookupTable.csv."""
    columns = {"RowId": [1, 2], "ImageId": [1, 1], "FeatureName": ["left_eye_center_x"] * 2, "Location": ["", ""]}
    return table("IdLookupTable.csv", columns)


def kaggle_zip() -> Files:
    """The whole competition in one zip, with zips in it: borhanMorphy/facial-keypoints-detection, README."""
    submission = table("SampleSubmission.csv", {"RowId": [1], "Location": [0]})
    return zipped(
        "facial-keypoints-detection.zip",
        {**kaggle_training_zip(), **zipped("test.zip", kaggle_test()), **id_lookup(), **submission},
    )


def coordinates_only() -> Files:
    """30 coordinates, images elsewhere: Intensifiesx/PCA-and-NMF-Based-Facial-Recognition, facial_keypoints.csv."""
    return table("facial_keypoints.csv", KEYPOINTS[list(COORDINATES)])


def face_images_npz() -> Files:
    """The images to it, `face_images` (96, 96, N): kaggle.com/drgilermo/face-images-with-marked-landmark-points."""
    content = io.BytesIO()
    np.savez_compressed(content, face_images=np.moveaxis(strangers(12, side=96), 0, -1).astype(float))
    return {"face_images.npz": content.getvalue()}


def youtube_csv() -> Files:
    """Names of frames and 68 points, `,0,1,...,135`: jerrychen44/face_landmark_detection_pytorch, data/."""
    columns = {str(number): [45.0] for number in range(136)}
    return {"training_frames_keypoints.csv": pd.DataFrame(columns, index=["Someone_01.jpg"]).to_csv().encode()}


def youtube_npz() -> Files:
    """`colorImages` (H, W, 3, T) and `landmarks2D`: kaggle.com/selfishgene/youtube-faces-with-facial-keypoints."""
    content = io.BytesIO()
    np.savez(content, colorImages=np.zeros((96, 96, 3, 4), np.uint8), landmarks2D=np.zeros((68, 2, 4)))
    return {"Someone_0.npz": content.getvalue()}


def points_300w() -> Files:
    """An image and a .pts with 68 points: wish44165/Optimizing-Facial-Landmark-Estimation-for-Embedded-Systems."""
    points = "\n".join(f"{n + 10}.000 {n + 20}.000" for n in range(68))
    text = f"version: 1\nn_points: 68\n{{\n{points}\n}}\n".encode()
    pictures = images([f"300W/indoor_{n:03}.png" for n in range(len(FACES))])
    return {**pictures, **{name.replace(".png", ".pts"): text for name in pictures}}


def points_file() -> Files:
    """One of its .pts files."""
    return {"indoor_001.pts": points_300w()["300W/indoor_001.pts"]}
