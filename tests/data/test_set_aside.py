"""Tables as people have them: unknown classes, words for splits, unreadable rows, sizes, points that are no labels."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import params
from faces.common.geometry import resize_images
from faces.common.schema import COORDINATES
from flows.stages import validate as validate_stage
from tasks.common.files import InputError
from tasks.data.ingestion import bring_in
from tasks.data.validation import quarantine_rows, report_validation, validate_table
from tasks.data.validation_report import reasons_by_row, too_many_invalid
from tests.conftest import ROOT
from tests.readers.test_layouts import COURSE, emotion_rows, images_of, keypoint_rows, noise_texts, rules, values_of

EMOTION, FACES = emotion_rows(COURSE, 40, seed=8), keypoint_rows(30, seed=8)


def judged(
    model_name: str, table: pd.DataFrame, folder: Path, allowed: float = 0.9, predefined_split: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """The valid rows, the quarantined rows, and the summary of a raw table."""
    table.to_csv(folder / "mine.csv", index=False)
    raw, settings = bring_in(model_name, str(folder / "mine.csv"), folder / "raw.csv"), rules()
    settings = settings.model_copy(update={"max_invalid_fraction": allowed})
    results = validate_table(model_name, raw, settings, folder / "f.json", folder / "docs", predefined_split)
    valid = quarantine_rows(model_name, raw, results, settings, folder / "valid.parquet", folder / "aside.csv")
    summary = report_validation({model_name: results}, {model_name: valid}, folder / "summary.json")
    aside = pd.read_csv(folder / "aside.csv", dtype=str, keep_default_na=False)
    return pd.read_parquet(valid), aside, json.loads(summary.read_text())[model_name]


UNKNOWN = "emotion: a class that no label encoding has"


def test_unknown_classes_and_unreadable_rows_are_set_aside_and_counted(tmp_path: Path) -> None:
    """Sizes, spellings of classes and splits, and reasons of ingestion, in one table, as it is slow to judge."""
    table = EMOTION.rename(columns={"emotion": "Label", "pixels": " Image", "Usage": "usage"}).assign(unreadable="")
    table.loc[[0, 5, 6], "Label"] = ["Contempt", "contempt ", "calm"]
    table.loc[[1, 3, 8], "Label"] = ["Disgusted", "joy", "Joyful"]
    table.loc[[10, 11, 12], [" Image", "unreadable"]] = [
        ("", "50x10 pixels: not square"),
        ("", "60x20 pixels: not square"),
        ("", "is truncated or corrupt (a.png)"),
    ]
    table.loc[10, ["Label", "usage"]] = ["9", "?"]
    table.loc[13, "unreadable"] = "was truncated, but mended"
    table.loc[[15, 16], " Image"] = [noise_texts(1, 1, 64)[0], noise_texts(2, 1, 24)[0]]
    table.loc[17, " Image"] = noise_texts(2, 1, 48)[0].rsplit(" ", 4)[0]
    table.loc[[20, 21, 22, 23], "usage"] = ["val", "TEST", "public test", "holdout"]
    valid, aside, summary = judged("emotion", table, tmp_path)
    assert dict(zip(aside["row"], aside["reasons"], strict=True)) == {
        **dict.fromkeys(("1", "6"), f"{UNKNOWN} (contempt)"),
        "7": f"{UNKNOWN} (calm)",
        **{"11": "50x10 pixels: not square", "12": "60x20 pixels: not square", "13": "is truncated or corrupt (a.png)"},
        "18": "pixels: not a square of 16x16 or more (2,300 values)",
        "24": "Usage: not one of Training, PublicTest, PrivateTest",
    }
    assert summary["reasons"] == {
        UNKNOWN: 3,
        "unreadable: NxN pixels: not square": 2,
        "unreadable: is truncated or corrupt (a.png)": 1,
        "pixels: not a square of 16x16 or more": 1,
        "Usage: not one of Training, PublicTest, PrivateTest": 1,
    }
    resized = {"pictures that are resized to 48x48": 2}
    assert summary["notes"] == {
        **resized,
        "rows of the unknown class contempt": 2,
        "rows of the unknown class calm": 1,
    }
    rows = valid.set_index("row")
    assert rows.loc[[2, 4, 9], "emotion"].tolist() == ["disgust", "happiness", "happiness"]
    assert rows.loc[[21, 22, 23], "usage"].tolist() == ["PublicTest", "PrivateTest", "PublicTest"]
    for row, side in ((16, 64), (17, 24)):
        image = np.array(values_of(table[" Image"][[row - 1]]), np.uint8).reshape(1, side, side)
        assert rows.loc[row, "pixels"] == resize_images(image, 48).tobytes()
    assert images_of(valid[valid["row"] < 11]) == values_of(table[" Image"].iloc[valid["row"][valid["row"] < 11] - 1])


def test_too_many_rows_of_an_unknown_class_name_it_and_the_remedy(tmp_path: Path) -> None:
    table = EMOTION.copy()
    table.loc[:8, "emotion"] = ["contempt"] * 6 + ["calm"] * 3
    with pytest.raises(InputError) as caught:
        judged("emotion", table, tmp_path, allowed=0.2)
    line = f"    9 rows, first row 1: {UNKNOWN} (contempt: 6, calm: 3); leave these rows, or their folder, out"
    assert line in str(caught.value)
    assert len(judged("emotion", table, tmp_path, allowed=0.225)[1]) == 9


def test_other_words_in_usage_pass_unless_the_split_follows_them(tmp_path: Path) -> None:
    table = EMOTION.assign(Usage=["Train", "dev", "holdout", ""] * 10)
    valid, aside, _ = judged("emotion", table, tmp_path, predefined_split=False)
    assert len(aside) == 0
    assert valid["usage"].tolist() == ["Training", "PublicTest", "holdout", ""] * 10
    assert len(judged("emotion", table, tmp_path, predefined_split=True)[1]) == 20


@pytest.mark.parametrize("strategy", ["predefined", "group"])
def test_the_stage_judges_usage_by_the_split(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = []
    monkeypatch.setattr(validate_stage, "validate_table", lambda *arguments: passed.append(arguments[-1]))
    for name in ("quarantine_rows", "report_validation"):
        monkeypatch.setattr(validate_stage, name, lambda *arguments: None)
    settings = params.load(ROOT)
    content = settings.dataset.prepare.emotion.split.model_copy(update={"strategy": strategy})
    emotion = settings.dataset.prepare.emotion.model_copy(update={"split": content})
    prepare = settings.dataset.prepare.model_copy(update={"emotion": emotion})
    dataset = settings.dataset.model_copy(update={"prepare": prepare})
    validate_stage.validate(settings.model_copy(update={"dataset": dataset}))
    assert passed == [strategy == "predefined"] * 2


def test_points_that_are_no_labels_are_unlabelled_or_set_aside(tmp_path: Path) -> None:
    table = FACES.rename(columns=str.upper)
    table.loc[3, ["NOSE_TIP_X", "NOSE_TIP_Y", "MOUTH_LEFT_CORNER_X", "MOUTH_LEFT_CORNER_Y"]] = "0"
    table.loc[4, ["NOSE_TIP_X", "NOSE_TIP_Y"]] = ["0.0", "12"]
    table.loc[5, [name.upper() for name in COORDINATES]] = "0"
    table.loc[6, [name.upper() for name in COORDINATES]] = "48"
    table.loc[7, "IMAGE"] = noise_texts(5, 1, 100)[0]
    valid, aside, summary = judged("keypoints", table, tmp_path)
    reasons = dict(zip(aside["row"], aside["reasons"], strict=True))
    assert reasons["6"] == "coordinates: no keypoint is labelled"
    assert reasons["7"].split("; ")[-1] == "coordinates: all labelled keypoints are one point"
    assert reasons["8"] == "Image: not 96x96 pixels, of which the coordinates are (100x100 pixels)"
    assert len(reasons) == 3
    assert summary["notes"] == {"points at (0, 0), which count as unlabelled": 17}
    rows = valid.set_index("row")
    assert rows.loc[4, ["nose_tip_x", "nose_tip_y", "mouth_left_corner_x"]].isna().all()
    assert rows[["nose_tip_x", "nose_tip_y"]].to_numpy().tolist()[4] == [0, 12]
    assert rows["points_at_origin"].tolist() == [0, 0, 0, 2, *[0] * 23]


def test_a_coordinate_that_does_not_vary_fails_the_table(tmp_path: Path) -> None:
    table = FACES.copy()
    table.loc[:16, "nose_tip_x"] = "48.5"
    table.loc[:14, "nose_tip_y"] = "50"
    table.loc[:15, "mouth_left_corner_y"] = "70"
    with pytest.raises(InputError) as caught:
        judged("keypoints", table, tmp_path)
    reason = (
        "  coordinates: a column has one value in over half of its labelled rows: nose_tip_x is 48.5 in 57%, "
        "mouth_left_corner_y is 70 in 53% (17 rows, first row 1); leave such cells empty, or the table out"
    )
    assert reason in str(caught.value)


def test_a_reason_of_its_own_is_alone_and_grouped() -> None:
    details = {str(row): f"{row}x9 pixels (of {row}.png)" for row in range(1, 4)} | {"9": "is empty"}
    results: list[dict] = [
        {"severity": "warning", "reason": "a", "rows": [2, 7]},
        {"severity": "warning", "reason": "unreadable", "alone": True, "rows": [1, 2, 3, 9], "details": details},
    ]
    kinds = {row: ["unreadable: Nx9 pixels"] for row in (1, 2, 3)}
    assert reasons_by_row(results) == {**kinds, 7: ["a"], 9: ["unreadable: is empty"]}
    many = {str(row): chr(200 + row) for row in range(90)}
    results = [{"severity": "warning", "reason": "u", "alone": True, "rows": [*range(90)], "details": many}]
    found = {reason for each in reasons_by_row(results).values() for reason in each}
    assert len(found) == 21
    assert "u: 70 other reasons" in found


def test_an_error_lists_ten_reasons_and_counts_the_others() -> None:
    results = [
        {"severity": "warning", "passed": False, "reason": f"reason {number}", "rows": [number], "count": 1}
        for number in range(1, 13)
    ]
    lines = too_many_invalid({"rows": 100, "results": results}, 0.02, Path("quarantine.csv"))
    assert "12 of 100 rows (12.0%) are invalid" in lines[0]
    assert lines[1] == "    1 row, first row 1: reason 1"
    assert lines[-1] == "    and 2 more reasons"
    assert len(lines) == 12
