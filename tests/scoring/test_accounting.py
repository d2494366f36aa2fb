"""Of everything that is given to score, each thing is scored, skipped with a reason, or left out by name."""

import zipfile
from pathlib import Path
from weakref import WeakSet

import pandas as pd
import pytest
from PIL import Image, ImageOps

import flows.score
import params
import tasks.readers.sources
import tasks.scoring.batch
import tasks.scoring.inbox
import tasks.scoring.summary
from tasks.models.approved_models import ApprovedModels
from tasks.plots.annotated_images import draw_pictures
from tasks.plots.prediction_grid import cropped_faces
from tasks.readers.records import Record, Shard
from tasks.scoring.batch import score_here
from tasks.scoring.inbox import arrived
from tasks.scoring.prediction_rows import model_info
from tasks.scoring.shards import first_reason, write_shard
from tasks.scoring.summary import count_reasons, count_scored
from tests.readers.bombs import GREY, encoded
from tests.scoring.test_batch import approved, scored, settings, skipped, stub_outputs
from tests.scoring.test_resume import set_up

__all__ = ["approved"]
PNG = encoded(GREY, "PNG")
FILES = {
    "1.png": PNG,
    "a/2.png": PNG,
    "a/notes.txt": b"hello",
    "a/empty.png": b"",
    ".git/x.png": PNG,
    "Thumbs.db": b"x",
}


def made(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "a/round").symlink_to(folder)
    (folder / "broken.png").symlink_to("nowhere")
    return folder


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: stub_outputs)


def test_everything_that_is_found_adds_up_in_the_tables_the_log_and_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(tmp_path, monkeypatch)
    made(tmp_path / "photos")
    lines: list[str] = []
    for module in (tasks.readers.sources, tasks.scoring.batch, tasks.scoring.summary):
        monkeypatch.setattr(module, "log", lines.append)
    flows.score.score(params.load(), ["photos"], "workspace", Path("out"), draw=True)
    table, aside = (pd.read_parquet(f"out/{name}.parquet") for name in ("predictions", "skipped"))
    assert table["source"].tolist() == ["photos/1.png", "photos/a/2.png"]
    assert sorted(aside["source"]) == ["photos/a/empty.png", "photos/a/notes.txt", "photos/broken.png"]
    assert any(line == "out: 5 images and rows of 5 sources: 2 faces in 2 of them, 3 without a face" for line in lines)
    left_out = (
        "2 hidden or metadata of the system (photos/.git/, photos/Thumbs.db); "
        "1 linked to a folder that is searched already (photos/a/round)"
    )
    assert f"left out, and in neither table: {left_out}" in lines
    report = Path("out/report.html").read_text()
    assert f"<dt>Left out, and in neither table</dt><dd>{left_out}</dd>" in report
    assert "<td>photos/a/empty.png</td>" in report


def test_a_zip_of_pictures_is_scored_and_drawn_as_the_folder_that_was_zipped(
    approved: ApprovedModels, tmp_path: Path
) -> None:
    folder = made(tmp_path / "photos")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in FILES:
            archive.write(folder / name, name)
    of_zip = scored(tmp_path / "photos.zip", approved, tmp_path / "zip", shard_size=2)
    (folder / "broken.png").unlink()
    of_folder = scored(folder, approved, tmp_path / "folder")
    for out, source in (("zip", "photos.zip"), ("folder", "photos")):
        names = pd.concat(
            [pd.read_parquet(tmp_path / out / f"{table}.parquet") for table in ("predictions", "skipped")]
        )
        found = [Path(name).relative_to(tmp_path / source).as_posix() for name in names["source"]]
        assert found == ["1.png", "a/2.png", "a/empty.png", "a/notes.txt"]
    pd.testing.assert_frame_equal(of_zip.drop(columns="source"), of_folder.drop(columns="source"), check_exact=True)
    draw_pictures(tmp_path / "zip", settings())
    assert len(list((tmp_path / "zip/pictures").iterdir())) == 2
    assert len(cropped_faces(of_zip, settings())[0]) == 2


def test_drawing_opens_each_zip_once_and_closes_it(
    approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.zip", "b.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for number in range(3):
                archive.writestr(f"{number}.png", PNG)
    table = scored([str(tmp_path / name) for name in ("a.zip", "b.zip")], approved, tmp_path / "out")
    opened: list[str] = []
    still_open: WeakSet[zipfile.ZipFile] = WeakSet()

    def noted(path: str, open_zip: type[zipfile.ZipFile] = zipfile.ZipFile) -> zipfile.ZipFile:
        opened.append(Path(path).name)
        still_open.add(archive := open_zip(path))
        return archive

    monkeypatch.setattr(zipfile, "ZipFile", noted)
    draw_pictures(tmp_path / "out", settings())
    assert len(list((tmp_path / "out/pictures").iterdir())) == 6
    assert len(cropped_faces(table, settings())[0]) == 6
    assert opened == ["a.zip", "b.zip"] * 2
    assert not still_open


def test_a_face_that_the_detector_does_not_find_names_the_size_and_the_option(
    approved: ApprovedModels, tmp_path: Path
) -> None:
    ImageOps.expand(Image.new("L", (80, 109), 90), 10, 95).save(tmp_path / "face.png")
    scored(tmp_path / "face.png", approved, tmp_path / "auto")
    assert skipped(tmp_path / "auto")["face.png:0"] == (
        "no face found (searched, because 100x129 pixels are more than score.max_crop_px = 128); `faces score "
        "--mode whole` takes it as one face"
    )
    scored(tmp_path / "face.png", approved, tmp_path / "detect", mode="detect")
    assert skipped(tmp_path / "detect")["face.png:0"] == "no face found"
    assert len(scored(tmp_path / "face.png", approved, tmp_path / "whole", mode="whole")) == 1


GROUPS: dict[str, tuple[list[str], dict[str, int]]] = {
    "details": (
        ["no face found (searched, 1x2); try whole", "is empty", "no face found (searched, 3x4); try whole"],
        {"no face found; try whole": 2, "is empty": 1},
    ),
    "the same details": (["is cut (its header)"] * 2, {"is cut (its header)": 2}),
    "two causes": (
        ["cannot be read (Permission denied)", "cannot be read (Is a directory (b))"],
        {"cannot be read": 2},
    ),
    "numbers": (
        [f"{count:,} values, not 48x48 = 2,304 ({count})" for count in (2303, 99)],
        {"N values, not 48x48 = 2,304": 2},
    ),
    "other brackets": ([") and (", "a (b", "a (b"], {"a (b": 2, ") and (": 1}),
    "one more than are shown": (
        [*"abcdefghijklmnopqrst" * 2, "u"],
        {**dict.fromkeys("abcdefghijklmnopqrst", 2), "1 other reason": 1},
    ),
    "thousands": (
        ["rare " + "x" * number for number in range(1, 5000)] + ["is empty"] * 2,
        {"is empty": 2, **{"rare " + "x" * number: 1 for number in range(1, 20)}, "4,980 other reasons": 4980},
    ),
    "long": (["x" * 5000], {"x" * 200: 1}),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_reasons_are_counted_in_few_groups_by_what_they_have_in_common(kind: str, tmp_path: Path) -> None:
    reasons, groups = GROUPS[kind]
    pd.DataFrame({"source": "a", "row": 0, "reason": reasons}).to_parquet(tmp_path / "skipped.parquet")
    assert list(count_reasons(tmp_path).items()) == list(groups.items())


def test_each_reason_names_its_first_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables: dict[str, list[dict[str, object]]] = {}
    monkeypatch.setattr(tasks.scoring.summary, "log_table", lambda key, rows, text: tables.update({key: rows}))
    pd.DataFrame({"emotion": ["anger"], "confidence": [0.5], "abstained": [False]}).to_parquet(
        tmp_path / "predictions.parquet"
    )
    skipped_rows = [
        ("a.png", 0, "is empty"),
        ("b.csv", 7, "1 values"),
        ("b.csv", 9, "2 values"),
        ("c.png", 0, "is empty"),
    ]
    pd.DataFrame(skipped_rows, columns=["source", "row", "reason"]).to_parquet(tmp_path / "skipped.parquet")
    count_scored(tmp_path)
    assert [list(row.values()) for row in tables["skipped"]] == [
        ["is empty", 2, "a.png"],
        ["N values", 2, "b.csv, row 7"],
    ]


def test_the_first_reason_says_how_many_more_there_are(approved: ApprovedModels, tmp_path: Path) -> None:
    work = tmp_path / "work"
    shards: list[tuple[int, list[str]]] = [(0, ["a.png"]), (1, ["b.png", "c.png"])]
    given = [Shard(number, [Record(name, 0, "is empty") for name in names]) for number, names in shards]
    for shard, rows in score_here(given[:1], stub_outputs, model_info(approved, "v1"), "auto", settings()):
        write_shard(rows, work, shard.number)
    assert first_reason(work) == "a.png: is empty"
    one_more = [Shard(1, [Record("b.png", 0, "is empty")])]
    for shard, rows in score_here(one_more, stub_outputs, model_info(approved, "v1"), "auto", settings()):
        write_shard(rows, work, shard.number)
    assert first_reason(work) == "a.png: is empty; 1 more image or row has no face either"
    for shard, rows in score_here(given, stub_outputs, model_info(approved, "v1"), "auto", settings()):
        write_shard(rows, work, shard.number)
    assert first_reason(work) == "a.png: is empty; 2 more images or rows have no face either"


def test_the_inbox_finds_what_a_folder_to_score_finds_and_names_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(tasks.scoring.inbox, "log", lines.append)
    monkeypatch.chdir(tmp_path)
    inbox = made(Path("inbox").absolute())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/3.png").write_bytes(PNG)
    (inbox / "linked").symlink_to(tmp_path / "elsewhere")
    found = [Path(name).relative_to(inbox).as_posix() for name in arrived(inbox, tmp_path / "results")]
    assert found == ["1.png", "a/2.png", "a/empty.png", "a/notes.txt", "linked/3.png"]
    (line,) = (line for line in lines if "left out" in line)
    assert "2 hidden" in line
    assert f"1 other than regular files ({inbox}/broken.png)" in line
